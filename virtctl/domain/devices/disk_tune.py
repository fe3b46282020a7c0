"""`<iotune>`: how much a disk may do."""

from __future__ import annotations

from virtctl.errors import XmlError
from virtctl.schema.element import Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Int, Str

_NUMBER = Int(0, 2**64 - 1)
_AMOUNTS = ("total_bytes_sec", "read_bytes_sec", "write_bytes_sec", "total_iops_sec", "read_iops_sec",
            "write_iops_sec")


def _limit(name: str, doc: str) -> Field[int | None]:
    return Field(name, _NUMBER, doc=doc, refused=(XmlError, f"disk iotune field '{name}' must be an integer"))


class Iotune(Element, tag="iotune"):
    """Limits of the throughput; zero is none."""

    total_bytes_sec = _limit("total_bytes_sec", "bytes a second")
    read_bytes_sec = _limit("read_bytes_sec", "bytes read a second")
    write_bytes_sec = _limit("write_bytes_sec", "bytes written a second")
    total_iops_sec = _limit("total_iops_sec", "operations a second")
    read_iops_sec = _limit("read_iops_sec", "reads a second")
    write_iops_sec = _limit("write_iops_sec", "writes a second")
    total_bytes_sec_max = _limit("total_bytes_sec_max", "bytes a second in a burst")
    read_bytes_sec_max = _limit("read_bytes_sec_max", "bytes read a second in a burst")
    write_bytes_sec_max = _limit("write_bytes_sec_max", "bytes written a second in a burst")
    total_iops_sec_max = _limit("total_iops_sec_max", "operations a second in a burst")
    read_iops_sec_max = _limit("read_iops_sec_max", "reads a second in a burst")
    write_iops_sec_max = _limit("write_iops_sec_max", "writes a second in a burst")
    size_iops_sec = _limit("size_iops_sec", "bytes that count as one operation")
    group_name = Field("group_name", Str(), doc="disks of one name share the limits")
    total_bytes_sec_max_length = _limit("total_bytes_sec_max_length", "seconds that a burst may last")
    read_bytes_sec_max_length = _limit("read_bytes_sec_max_length", "seconds that a burst of reads may last")
    write_bytes_sec_max_length = _limit("write_bytes_sec_max_length", "seconds that a burst of writes may last")
    total_iops_sec_max_length = _limit("total_iops_sec_max_length", "seconds that a burst may last")
    read_iops_sec_max_length = _limit("read_iops_sec_max_length", "seconds that a burst of reads may last")
    write_iops_sec_max_length = _limit("write_iops_sec_max_length", "seconds that a burst of writes may last")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Zero is no limit; a total and its parts exclude each other."""
        for field in self.fields:
            self.__dict__[field.name] = self.__dict__.get(field.name) or None
        for unit in ("bytes", "iops"):
            for tail in ("", "_max"):
                self._check_total(unit, tail)

    @property
    def limits(self) -> dict[str, int]:
        """The limits that are set, by name."""
        return {field.name: value for field in self.fields
                if field.name != "group_name" and (value := self.__dict__.get(field.name))}

    def _check_total(self, unit: str, tail: str) -> None:
        values = [self.__dict__.get(f"{part}_{unit}_sec{tail}") for part in ("total", "read", "write")]
        if values[0] and (values[1] or values[2]):
            raise XmlError(f"total and read/write {unit}_sec{tail} cannot be set at the same time")

    def visible(self, mode: Mode) -> bool:
        """Without a limit there is nothing to say."""
        return any(self.__dict__.get(field.name) for field in self.fields)
