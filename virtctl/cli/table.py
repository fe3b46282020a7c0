"""Every command, one row each: help, completion and the man page read this and import no command.

`target` is `module:attribute` below virtctl.cli.commands.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One command."""

    name: str
    target: str
    group: str
    summary: str


class Group(NamedTuple):
    """A heading of `help`, and the word that selects it."""

    keyword: str
    title: str


GROUPS = (
    Group("domain", "Domain Management"),
    Group("monitor", "Domain Monitoring"),
    Group("host", "Host and Hypervisor"),
    Group("safety", "Checks, History and Repair"),
    Group("virsh", "{Program} itself"),
)

ROWS = (
    Row("attach-device", "attach:attach_device", "domain", "add a device, given as XML, to a guest"),
    Row("attach-disk", "attach:attach_disk", "domain", "add a disk to a guest"),
    Row("attach-interface", "attach:attach_interface", "domain", "add a network card to a guest"),
    Row("autostart", "lifecycle:autostart", "domain", "start a domain with the host, or no longer"),
    Row("autostart-run", "hoststart:autostart_run", "domain", "start every domain marked to start with the host"),
    Row("blockcommit", "chains:blockcommit", "domain", "write images down into one below them"),
    Row("blockcopy", "blockcopy:blockcopy", "domain", "copy a disk to another place while the guest runs"),
    Row("blockjob", "blockjob:blockjob", "domain", "look at, limit, end or pivot the job of a disk"),
    Row("blockpull", "chains:blockpull", "domain", "fill a disk with what the images below it hold"),
    Row("blockresize", "chains:blockresize", "domain", "change the size of a running guest's disk"),
    Row("change-media", "media:change_media", "domain", "change what is in a CD or floppy drive"),
    Row("console", "console:console", "domain", "talk to the guest over its serial console"),
    Row("create", "definition:create", "domain", "start a guest from an XML file without defining it"),
    Row("define", "definition:define", "domain", "define a domain from an XML file, without starting it"),
    Row("desc", "describing:desc", "domain", "print or set a domain's description or title"),
    Row("destroy", "lifecycle:destroy", "domain", "stop a guest at once, as if its plug was pulled"),
    Row("detach-device", "attach:detach_device", "domain", "take a device, given as XML, out of a guest"),
    Row("detach-device-alias", "attach:detach_device_alias", "domain", "take the device of an alias out of a guest"),
    Row("detach-disk", "attach:detach_disk", "domain", "take a disk out of a guest"),
    Row("detach-interface", "attach:detach_interface", "domain", "take a network card out of a guest"),
    Row("domdisplay", "displays:domdisplay", "domain", "address of a guest's graphical display, as a URI"),
    Row("domfsinfo", "buttons:domfsinfo", "domain", "mounted file systems of a guest"),
    Row("domid", "names:domid", "domain", "id of a domain given by name or UUID"),
    Row("domif-setlink", "media:domif_setlink", "domain", "plug the cable of a network card in or out"),
    Row("domjobabort", "jobs:domjobabort", "domain", "end the saving of a guest by another command"),
    Row("domjobinfo", "jobs:domjobinfo", "domain", "how far the saving of a guest by another command is"),
    Row("domname", "names:domname", "domain", "name of a domain given by id or UUID"),
    Row("dompmwakeup", "buttons:dompmwakeup", "domain", "wake a guest that sleeps"),
    Row("domrename", "describing:domrename", "domain", "give a domain another name"),
    Row("domtime", "buttons:domtime", "domain", "clock of a guest"),
    Row("domuuid", "names:domuuid", "domain", "UUID of a domain given by name or id"),
    Row("domxml-from-native", "native:domxml_from_native", "domain", "another program's configuration as domain XML"),
    Row("domxml-to-native", "native:domxml_to_native", "domain", "domain XML as another program's configuration"),
    Row("dump", "images:dump", "domain", "write a guest's memory to a file for a debugger"),
    Row("dumpxml", "definition:dumpxml", "domain", "print a domain's XML"),
    Row("edit", "edit:edit", "domain", "change a domain's XML in an editor"),
    Row("import", "documents:import_guest", "domain", "make a domain of a guest that Xen ran"),
    Row("inject-nmi", "buttons:inject_nmi", "domain", "send a guest a non-maskable interrupt"),
    Row("managedsave", "saving:managedsave", "domain", "save a guest's memory for its next start, and end it"),
    Row("managedsave-define", "images:managedsave_define", "domain", "replace the XML in a managed save"),
    Row("managedsave-dumpxml", "images:managedsave_dumpxml", "domain", "print the XML in a managed save"),
    Row("managedsave-edit", "images:managedsave_edit", "domain", "change the XML in a managed save in an editor"),
    Row("managedsave-remove", "saving:managedsave_remove", "domain", "forget the saved memory of a domain"),
    Row("metadata", "describing:metadata", "domain", "print or set what a program keeps in a domain"),
    Row("qemu-monitor-command", "monitor:qemu_monitor_command", "domain", "give a command to QEMU's monitor"),
    Row("reboot", "lifecycle:reboot", "domain", "ask a guest to reboot"),
    Row("reset", "lifecycle:reset", "domain", "press a guest's reset button"),
    Row("restore", "saving:restore", "domain", "go on with a guest that was saved to a file"),
    Row("resume", "lifecycle:resume", "domain", "let a suspended guest go on"),
    Row("save", "saving:save", "domain", "save a guest's memory to a file, and end it"),
    Row("save-image-define", "images:save_image_define", "domain", "replace the XML in a saved image"),
    Row("save-image-dumpxml", "images:save_image_dumpxml", "domain", "print the XML in a saved image"),
    Row("save-image-edit", "images:save_image_edit", "domain", "change the XML in a saved image in an editor"),
    Row("screenshot", "buttons:screenshot", "domain", "write what a guest shows to a picture"),
    Row("send-key", "buttons:send_key", "domain", "press keys of a guest's keyboard"),
    Row("setmaxmem", "memory:setmaxmem", "domain", "set how much memory a guest can have"),
    Row("setmem", "memory:setmem", "domain", "set how much memory a guest has"),
    Row("setvcpus", "figures:setvcpus", "domain", "set how many processors a guest has"),
    Row("shutdown", "lifecycle:shutdown", "domain", "ask a guest to shut down"),
    Row("start", "starting:start", "domain", "start a defined domain"),
    Row("suspend", "lifecycle:suspend", "domain", "stop a guest's processors for a while"),
    Row("ttyconsole", "displays:ttyconsole", "domain", "terminal device of a guest's console"),
    Row("undefine", "definition:undefine", "domain", "remove the definition of a domain"),
    Row("update-device", "attach:update_device", "domain", "change a device of a guest to what XML says"),
    Row("vncdisplay", "displays:vncdisplay", "domain", "address of a guest's VNC display"),
    Row("domblkerror", "figures:domblkerror", "monitor", "disks of a guest that have failed"),
    Row("domblkinfo", "chains:domblkinfo", "monitor", "sizes of a disk"),
    Row("domblklist", "devices:domblklist", "monitor", "disks of a domain"),
    Row("domblkstat", "figures:domblkstat", "monitor", "how much a guest has read and written"),
    Row("domcontrol", "figures:domcontrol", "monitor", "whether the monitor of a guest is free"),
    Row("domif-getlink", "media:domif_getlink", "monitor", "whether the cable of a network card is plugged in"),
    Row("domiflist", "devices:domiflist", "monitor", "network interfaces of a domain"),
    Row("domifstat", "figures:domifstat", "monitor", "traffic of a network card"),
    Row("dominfo", "facts:dominfo", "monitor", "the most important facts about a domain"),
    Row("dommemstat", "memory:dommemstat", "monitor", "how a guest uses its memory"),
    Row("domstate", "facts:domstate", "monitor", "what a guest is doing"),
    Row("domstats", "statistics:domstats", "monitor", "figures about domains, for programs"),
    Row("list", "listing:list_domains", "monitor", "list domains"),
    Row("vcpucount", "figures:vcpucount", "monitor", "how many processors a guest has"),
    Row("capabilities", "hostcaps:capabilities", "host", "what the host offers, as XML"),
    Row("domcapabilities", "hostcaps:domcapabilities", "host", "what a guest can be given, as XML"),
    Row("freecell", "hostcaps:freecell", "host", "free memory of the host"),
    Row("hostname", "host:hostname", "host", "name of the host"),
    Row("nodeinfo", "host:nodeinfo", "host", "processors and memory of the host"),
    Row("nodememstats", "hostcaps:nodememstats", "host", "memory of the host"),
    Row("uri", "host:uri", "host", "URI of the connection"),
    Row("version", "host:version", "host", "versions of the program and of QEMU"),
    Row("diff", "documents:diff", "safety", "what differs in meaning between two documents"),
    Row("explain", "documents:explain", "safety", "meaning of an element or attribute of a document"),
    Row("history", "safety:history", "safety", "what was changed in a domain, when and how"),
    Row("recover", "safety:recover", "safety", "finish or take back what was interrupted"),
    Row("undo", "safety:undo", "safety", "bring back a definition that was changed or removed"),
    Row("validate", "documents:validate", "safety", "list every problem of a document"),
    Row("cd", "itself:cd", "virsh", "change the working folder"),
    Row("completion", "itself:completion", "virsh", "print the completion script for a shell"),
    Row("connect", "itself:connect", "virsh", "connect to a hypervisor, or again to the same"),
    Row("echo", "itself:echo", "virsh", "print the arguments, quoted if wanted"),
    Row("exit", "itself:quit_shell", "virsh", "leave the interactive shell"),
    Row("help", "itself:help_command", "virsh", "explain all commands, a group of them, or one"),
    Row("man", "itself:man", "virsh", "print the manual page"),
    Row("pwd", "itself:pwd", "virsh", "print the working folder"),
    Row("quit", "itself:quit_shell", "virsh", "leave the interactive shell"),
)

BY_NAME = {row.name: row for row in ROWS}


def group_title(group: Group, program: str) -> str:
    """The heading, with the program's own name where it speaks of itself."""
    return group.title.format(Program=program.capitalize())


def rows_of(group: Group) -> list[Row]:
    """The commands of a group, in the order of the table."""
    return [row for row in ROWS if row.group == group.keyword]
