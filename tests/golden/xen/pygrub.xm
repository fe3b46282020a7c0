# A paravirtual web server, as xm's examples have it.
name    = 'web1'
uuid    = '0FD8A7F1-6C4B-4F1D-9A53-AC1D40EC5301'
memory  = 512
maxmem  = 1024
vcpus   = 2
cpus    = "0-3,^1"
bootloader = '/usr/bin/pygrub'
bootargs = '--default_args="quiet"'
root    = '/dev/xvda1 ro'
extra   = 'console=hvc0 xencons=tty'
disk    = [ 'tap:aio:/srv/xen/web1-root.img,xvda,w',
            'tap:qcow2:/srv/xen/web1-data.qcow2,xvdb,w',
            "phy:vg0/scratch,xvdc,w!",
          ]
vif     = [ 'mac=00:16:3E:12:34:56, bridge=xenbr0, script=vif-bridge',
            'mac=00:16:3e:12:34:57,script=vif-route,ip=192.0.2.9,vifname=web1b,rate=1Mb/s' ]
vfb     = [ 'type=vnc,vncunused=0,vncdisplay=12,vnclisten=0.0.0.0,keymap=de' ]
on_poweroff = 'destroy'
on_reboot   = 'restart'
on_crash    = 'preserve'
localtime = True
cpu_weight = 512
