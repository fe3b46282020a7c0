"""`<source>` of a disk, of a backing image, of a copy: where the bytes are. The owner's `type` says what is read."""

from __future__ import annotations

from virtctl.domain.devices.address import PciAddress
from virtctl.domain.devices.chardev_source import Reconnect
from virtctl.domain.devices.device_seclabel import DeviceSeclabel, check_models
from virtctl.domain.devices.disk_host import Cookie, Reservations, Slice, StorageHost
from virtctl.domain.devices.secret import Auth, Encryption
from virtctl.errors import UnsupportedConfig, XmlError
from virtctl.schema.element import Child, Children, Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import Enum, Int, Str, UInt, YesNo

TYPES = ("file", "block", "dir", "network", "volume", "nvme", "vhostuser")
PROTOCOLS = ("nbd", "rbd", "sheepdog", "gluster", "iscsi", "http", "https", "ftp", "ftps", "tftp", "ssh", "vxhs", "nfs")
DEFAULT_PORTS = {"nbd": 10809, "sheepdog": 7000, "gluster": 24007, "iscsi": 3260, "http": 80, "https": 443, "ftp": 21,
                 "ftps": 990, "tftp": 69, "ssh": 22, "vxhs": 9999}

_ANY = ("startup_policy", "index", "slices", "auth", "encryption", "reservations")
_NETWORK = (*_ANY, "protocol", "name", "tls", "tls_from_config", "tls_hostname", "hosts", "snapshot", "config",
            "initiator")
USES: dict[str, tuple[str, ...]] = {
    "file": (*_ANY, "file", "fdgroup", "seclabels"),
    "block": (*_ANY, "dev", "seclabels"),
    "dir": (*_ANY, "dir", "seclabels"),
    "network": _NETWORK,
    "volume": (*_ANY, "pool", "volume", "mode", "seclabels"),
    "nvme": (*_ANY, "type", "managed", "namespace", "address", "seclabels"),
    "vhostuser": (*_ANY, "type", "path", "reconnect", "seclabels"),
}
_WEB = ("readahead", "timeout")
PROTOCOL_USES: dict[str, tuple[str, ...]] = {
    "http": (*_WEB, "query", "cookies"),
    "https": (*_WEB, "query", "cookies", "ssl_verify"),
    "ftp": _WEB,
    "ftps": (*_WEB, "ssl_verify"),
    "nfs": ("nfs_user", "nfs_group"),
}


class NvmeAddress(PciAddress, tag="address"):
    """The PCI address of an NVMe disk of the host: written without a type."""

    def written(self, node: Node, mode: Mode) -> None:
        """No type."""
        node.attrs.pop("type", None)


class DiskSource(Element, tag="source"):
    """Where the bytes of an image are."""

    file = Field("@file", Str(), doc="path of the image (file)")
    dev = Field("@dev", Str(), doc="block device of the host (block)")
    dir = Field("@dir", Str(), doc="folder that is shown as a FAT disk (dir)")
    fdgroup = Field("@fdgroup", Str(), doc="descriptors passed in instead of the file (file)")
    protocol = Field("@protocol", Enum(*PROTOCOLS), doc="how the server is spoken to (network)")
    name = Field("@name", Str(), doc="what the server calls the image (network)")
    query = Field("@query", Str(), doc="query of the URL (http, https)")
    tls = Field("@tls", YesNo(), doc="whether the connection is encrypted (nbd, vxhs)")
    tls_from_config = Field("@tlsFromConfig", UInt(1), live=True, doc="1: tls comes from the host's configuration")
    tls_hostname = Field("@tlsHostname", Str(), doc="name that the server's certificate must bear (nbd)")
    pool = Field("@pool", Str(), doc="storage pool (volume)")
    volume = Field("@volume", Str(), doc="volume of the pool (volume)")
    mode = Field("@mode", Enum("host", "direct"), doc="how an iSCSI pool's volume is reached (volume)",
                 refused=(UnsupportedConfig, "unknown source mode '%s' for volume type disk"))
    type = Field("@type", Str(), doc="pci (nvme) or unix (vhostuser)")
    managed = Field("@managed", YesNo(), doc="whether the disk is taken from the host at start (nvme)")
    namespace = Field("@namespace", Int(0, 2**64 - 1), doc="NVMe namespace (nvme)")
    path = Field("@path", Str(), doc="socket of the vhost-user daemon (vhostuser)")
    startup_policy = Field("@startupPolicy", Enum("mandatory", "requisite", "optional"),
                           doc="what becomes of the start when the medium is missing")
    index = Field("@index", UInt(), live=True, doc="number of the image in the running guest")
    address = Child("address", NvmeAddress, doc="the disk's PCI address (nvme)")
    hosts = Children("host", StorageHost, doc="the servers (network)")
    snapshot = Field("snapshot/@name", Str(), doc="snapshot inside the image (rbd, sheepdog)")
    config = Field("config/@file", Str(), doc="configuration file of the storage library (rbd)")
    initiator = Field("initiator/iqn/@name", Str(), doc="our name for the server (iscsi)")
    ssl_verify = Field("ssl/@verify", YesNo(), doc="whether the server's certificate is checked (https, ftps)")
    cookies = Children("cookies/cookie", Cookie, secret=True, doc="cookies sent to the server (http, https)")
    readahead = Field("readahead/@size", Int(0, 2**64 - 1), doc="bytes read ahead (http, https, ftp, ftps)",
                      refused=(XmlError, "invalid readahead size or timeout"))
    timeout = Field("timeout/@seconds", Int(0, 2**64 - 1), doc="seconds before a connection is given up",
                    refused=(XmlError, "invalid readahead size or timeout"))
    nfs_user = Field("identity/@user", Str(), doc="user for the server: a name, or + and a number (nfs)")
    nfs_group = Field("identity/@group", Str(), doc="group for the server (nfs)")
    reconnect = Child("reconnect", Reconnect, doc="whether a lost daemon is looked for again (vhostuser)")
    slices = Children("slices/slice", Slice, doc="the part of the image that is the disk")
    seclabels = Children("seclabel", DeviceSeclabel, doc="a security label of its own")
    auth = Child("auth", Auth, doc="who we are for the server")
    encryption = Child("encryption", Encryption, doc="how the image is encrypted")
    reservations = Child("reservations", Reservations, doc="SCSI persistent reservations")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Zero means unset; libvirt keeps the first storage slice."""
        check_models(self.seclabels)
        self.readahead = self.readahead or None
        self.timeout = self.timeout or None
        self.slices = [one for one in self.slices if one.type == "storage"][:1]

    def check_type(self, type: str) -> None:
        """What a source of that type cannot be read without."""
        if type == "network":
            self._check_network()
        elif type == "volume" and (self.pool is None) != (self.volume is None):
            raise XmlError("'pool' and 'volume' must be specified together for 'pool' type source")
        elif type == "nvme":
            self._check_nvme()
        elif type == "vhostuser":
            self._check_vhostuser()

    def _check_nvme(self) -> None:
        if self.type is None:
            raise XmlError("missing 'type' attribute to disk source")
        if self.type != "pci":
            raise XmlError(f"unsupported source type '{self.type}'")
        if self.namespace is None:
            raise XmlError("missing 'namespace' attribute to disk source")
        if self.address is None:
            raise XmlError("NVMe disk source is missing address")

    def _check_vhostuser(self) -> None:
        if self.type is None:
            raise XmlError("missing 'type' attribute for vhostuser disk source")
        if self.type != "unix":
            raise XmlError("invalid 'type' attribute for vhostuser disk source")
        if self.path is None:
            raise XmlError("missing 'path' attribute for vhostuser disk source")

    def _check_network(self) -> None:
        if self.protocol is None:
            raise self.missing(DiskSource.protocol)
        if self.name is None and self.protocol != "nbd":
            raise XmlError("missing name for disk source")
        if self.protocol in ("rbd", "gluster") and (self.name or "").find("/") < 1:
            raise XmlError(f"can't split path '{self.name}' into pool name and image name")
        seen: set[str | None] = set()
        for cookie in self.cookies:
            if cookie.name in seen:
                raise XmlError(f"duplicate cookie '{cookie.name}'")
            seen.add(cookie.name)

    def drop_empty(self) -> None:
        """An empty path is none; a mode is one of a pool's volume."""
        for name in ("file", "dev", "dir"):
            self.__dict__[name] = self.__dict__.get(name) or None
        if self.pool is None:
            self.mode = None

    def fill_ports(self) -> None:
        """The protocol's own port, where none is given."""
        port = DEFAULT_PORTS.get(self.protocol or "")
        for host in self.hosts:
            if host.port is None and host.transport is None:
                host.port = port

    @property
    def says_nothing(self) -> bool:
        """Whether nothing of it would be written."""
        written = self.to_node(Mode(live=True, secure=True))
        return not written.attrs and not written.children

    def path_of(self, type: str) -> str | None:
        """What libvirt calls the path: the image alone where the name has a pool before it; None for a volume."""
        if type == "network" and self.protocol in ("rbd", "gluster"):
            return (self.name or "").partition("/")[2]
        return None if type == "volume" else self.image(type)

    def image(self, type: str) -> str | None:
        """The path, device, folder or name for an owner of that type; None when there is none."""
        return {"file": self.file, "block": self.dev, "dir": self.dir, "network": self.name, "volume": self.volume,
                "vhostuser": self.path}.get(type)


def narrowed(node: Node, type: str) -> Node:
    """A copy of `<source>` with what counts for an owner of that type."""
    uses = USES.get(type, ())
    if type == "network":
        uses += PROTOCOL_USES.get(node.attrs.get("protocol", ""), ())
    return relevant(node, DiskSource.plan, uses)


def check_doubled(node: Node) -> None:
    """Authentication and encryption stand in the disk or in its source, not in both."""
    source = node.find("source")
    for tag in ("auth", "encryption"):
        if node.find(tag) is not None and source is not None and source.find(tag) is not None:
            raise UnsupportedConfig(f"an <{tag}> definition already found for disk source")
