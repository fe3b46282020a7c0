# An emulated machine from before Xen 3.0.3: the drives have names of their own.
builder = 'hvm'
kernel = '/usr/lib/xen/boot/hvmloader'
device_model = '/usr/lib/xen/bin/qemu-dm'
name = 'winxp'
uuid = 'c4c0a3d77b1f4f2b8b5c1c9ad9ff0c11'
memory = 256
vcpus = 1
acpi = 1
apic = 1
pae = 0
boot = 'dca'
disk = [ 'file:/srv/xen/winxp.img,ioemu:hda,w', 'file:/srv/xen/data.img,hdb,w' ]
cdrom = '/srv/iso/winxp.iso'
fda = '/srv/floppy/drivers.img'
vif = [ 'type=ioemu, mac=00:16:3e:aa:bb:01, bridge=xenbr0' ]
vnc = 1
vncunused = 0
vncdisplay = 7
vncpasswd = 'geheim'
usb = 1
usbdevice = 'tablet'
serial = 'pty'
parallel = 'tcp:127.0.0.1:7777'
soundhw = 'all'
localtime = 1
rtc_timeoffset = 3600
