"""What of an element counts when its kind decides that: the rest is left out, as libvirt never looks at it."""

from __future__ import annotations

from collections.abc import Collection

from virtctl.schema.fields import Plan
from virtctl.schema.node import Node


def relevant(node: Node, plan: Plan, names: Collection[str]) -> Node:
    """`node` without the declared attributes and children whose field is not in `names`; the undeclared ones stay."""
    read = plan.text is None or plan.text.name in names
    kept = Node(node.tag, None, node.text if read else None, node.line)
    kept.raw = node.raw
    for key, value in node.attrs.items():
        field = plan.attrs.get(key)
        if field is None or field.name in names or not field.name:  # a unit has no name of its own
            kept.attrs[key] = value
    for child in node.children:
        below = plan.children.get(child.tag)
        if isinstance(below, Plan) and _reads(below, names):
            kept.children.append(relevant(child, below, names))
        elif below is None or (not isinstance(below, Plan) and below.name in names):
            kept.children.append(child)
    return kept


def _reads(plan: Plan, names: Collection[str]) -> bool:
    """Whether anything below counts."""
    if plan.text is not None and plan.text.name in names:
        return True
    if any(field.name in names for field in plan.attrs.values()):
        return True
    return any(_reads(below, names) if isinstance(below, Plan) else below.name in names
               for below in plan.children.values())


def without(node: Node, tags: Collection[str]) -> Node:
    """`node` without its children of some tags."""
    kept = Node(node.tag, node.attrs, node.text, node.line)
    kept.children = [child for child in node.children if child.tag not in tags]
    return kept
