"""The list of controllers: finding, adding in libvirt's order, and numbering those without an index."""

from __future__ import annotations

from virtctl.domain.devices.controller import Controller
from virtctl.domain.domain import Domain
from virtctl.errors import UnsupportedConfig


def all_controllers(domain: Domain) -> list[Controller]:
    """The list itself."""
    return domain.devices.all(Controller) if domain.devices else []


def controllers(domain: Domain, kind: str) -> list[Controller]:
    """Those of one type, in order."""
    return [cont for cont in all_controllers(domain) if cont.type == kind]


def find_controller(domain: Domain, kind: str, index: int) -> Controller | None:
    """The controller that addresses of its kind name by `index`."""
    return next((cont for cont in all_controllers(domain) if cont.type == kind and cont.index == index), None)


def add_controller(domain: Domain, kind: str, index: int, model: str | None = None) -> Controller:
    """Appends a controller; what libvirt adds by itself comes last."""
    added = Controller(type=kind, index=index, model=model)
    all_controllers(domain).append(added)
    return added


# No guest has so many controllers; a document that asks for more must cost no time.
MOST = 1023


def add_up_to(domain: Domain, kind: str, highest: int, model: str | None = None) -> None:
    """Adds the controllers 0 to `highest` that are missing. Raises when that is beyond all reason."""
    if highest > MOST:
        raise UnsupportedConfig(f"{kind} controller index {highest} too high, maximum is {MOST}")
    known = {cont.index for cont in controllers(domain, kind)}
    for index in range(highest + 1):
        if index not in known:
            add_controller(domain, kind, index, model)


def maybe_add_controller(domain: Domain, kind: str, index: int, model: str | None = None) -> None:
    """Adds the controller unless there is one of that index."""
    if find_controller(domain, kind, index) is None:
        add_controller(domain, kind, index, model)


def sort_controllers(domain: Domain) -> None:
    """The order in which libvirt keeps the controllers of a document: by type as met, by index within a type."""
    ordered: list[Controller] = []
    for cont in all_controllers(domain):
        ordered.insert(_place(ordered, cont), cont)
    all_controllers(domain)[:] = ordered


def _place(ordered: list[Controller], new: Controller) -> int:
    place: int | None = None
    for position in range(len(ordered) - 1, -1, -1):
        old = ordered[position]
        if old.type != new.type:
            continue
        if new.index is None:
            return position + 1
        if (old.index if old.index is not None else -1) > new.index:
            place = position
        elif new.master is None and old.master is not None and old.index == new.index:
            place = position  # a master stands before its companions
        elif place is None:
            place = position + 1
    return len(ordered) if place is None else place


def assign_indexes(domain: Domain) -> None:
    """Numbers the controllers that have no index: the lowest free one of their type."""
    for cont in all_controllers(domain):
        if cont.index is None:
            used = {other.index for other in controllers(domain, cont.type)}
            shared = _companion_index(domain, cont)
            cont.index = shared if shared is not None else next(n for n in range(len(used) + 1) if n not in used)


def _companion_index(domain: Domain, cont: Controller) -> int | None:
    """The parts of one ICH9 USB 2 controller that stand side by side share an index."""
    found = controllers(domain, "usb")
    position = next((place for place, other in enumerate(found) if other is cont), 0)
    if position == 0 or cont.type != "usb":
        return None
    before = found[position - 1]
    if not all((part.model or "").startswith("ich9-") for part in (cont, before)):
        return None
    if any(other.index == before.index and other.model == cont.model for other in found):
        return None
    return before.index
