"""The declarative description of XML elements: one class body gives parser, writer, errors and reference text."""
