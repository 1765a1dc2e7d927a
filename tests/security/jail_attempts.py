"""Attempts to get out of a jail, as scripts that print ESCAPED where they succeed.

`@name@` stands for what `jail_world.World` knows by that name. An attempt that is `proven` is also made without a jail,
where it must succeed: that shows that it is the jail that refuses it.
"""

from __future__ import annotations

import attrs

_HEAD = """
import ctypes, errno, fcntl, mmap, os, resource, signal, socket, struct, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
ARM = os.uname().machine == "aarch64"
def done(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def call(number, *args):
    number = number[ARM] if isinstance(number, tuple) else number
    return done(libc.syscall(ctypes.c_long(number), *(a if isinstance(a, (bytes, ctypes.Array)) else ctypes.c_long(a)
                                                      for a in args)))
OUT, HOME = "@out@", "@home@"
"""


@attrs.frozen(slots=True)
class Attempt:
    """A script for `/bin/sh`, or with `python` a program."""

    name: str
    text: str
    python: bool = False
    proven: bool = True

    def script(self) -> str:
        """What `shell.script` gets."""
        if self.python:
            return f"@python@ - <<'END'\n{_HEAD}\n{self.text}\nprint('ESCAPED')\nEND\n"
        return f"set -e\n{self.text}\necho ESCAPED\n"


def _sh(name: str, text: str, *, proven: bool = True) -> Attempt:
    return Attempt(name, text, proven=proven)


def _py(name: str, text: str, *, proven: bool = True) -> Attempt:
    return Attempt(name, text, python=True, proven=proven)


FILES = (
    _sh("read", "cat @out@/a.txt"),
    _sh("read_by_dots", 'cat "../../../../../../../../../../../../../../../../../../../../../../../..@out@/a.txt"'),
    _sh("list", "ls @out@"),
    _sh("stat", "stat @out@/a.txt"),
    _sh("search", 'test -n "$(find / -name canary-name.txt 2>/dev/null)"', proven=False),
    _sh("create", "echo x > @out@/new"),
    _sh("append", "echo x >> @out@/a.txt"),
    _sh("overwrite", "echo x > @out@/a.txt"),
    _sh("remove", "rm @out@/a.txt"),
    _sh("remove_folder", "rm -r @out@/deep"),
    _sh("make_folder", "mkdir @out@/made"),
    _sh("rename_within", "mv @out@/a.txt @out@/b.txt"),
    _py("rename_out", "open('mine', 'w').close(); os.rename('mine', OUT + '/mine')"),
    _py("rename_in", "os.rename(OUT + '/a.txt', 'mine')"),
    _py("exchange", "open('mine', 'w').close(); call((316, 276), -100, b'mine', -100, (OUT + '/a.txt').encode(), 2)"),
    _sh("move_out", "echo x > mine; mv mine @out@/mine"),
    _py("hard_link_out", "open('mine', 'w').close(); os.link('mine', OUT + '/mine')"),
    _py("hard_link_in", "os.link(OUT + '/a.txt', 'mine'); open('mine', 'a').write('x')"),
    _py("hard_link_system", "os.link('/etc/passwd', 'mine')", proven=False),
    _py(
        "hard_link_by_descriptor",
        "fd = os.open(OUT + '/a.txt', os.O_RDONLY)\n"
        "call((265, 37), -100, f'/proc/self/fd/{fd}'.encode(), -100, b'mine', 0x400)",
    ),
    _sh("link_and_write", "ln -s @out@/a.txt lure; echo x > lure"),
    _sh("link_and_read", "ln -s @out@/a.txt lure; cat lure"),
    _sh("link_to_folder", "ln -s @out@ lure; echo x > lure/new"),
    _sh("link_chain", "ln -s @out@ one; ln -s one two; ln -s two/a.txt three; cat three"),
    _sh("link_in_private_folder", 'ln -s @out@ "$TMPDIR/lure"; echo x > "$TMPDIR/lure/new"'),
    _sh("dots_after_link", "ln -s /usr/share lure; cat lure/../..@out@/a.txt"),
    _py("truncate", "os.truncate(OUT + '/a.txt', 0)"),
    _py("open_and_truncate", "os.open(OUT + '/a.txt', os.O_WRONLY | os.O_TRUNC)"),
    _py("truncate_system", "os.truncate('/etc/hostname', os.stat('/etc/hostname').st_size)"),
    _py("allocate", "os.posix_fallocate(os.open(OUT + '/a.txt', os.O_WRONLY), 0, 100000)"),
    _py("copy_range", "i = os.open('/etc/passwd', 0); o = os.open(OUT + '/a.txt', 1); os.copy_file_range(i, o, 10)"),
    _py("map_and_write", "f = open(OUT + '/a.txt', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[0:1] = b'X'; m.flush()"),
    _py("map_system", "f = open('/etc/passwd', 'r+b'); m = mmap.mmap(f.fileno(), 0)"),
    _py(
        "protect_system",
        "f = os.open('/etc/passwd', os.O_RDONLY); libc.mmap.restype = ctypes.c_void_p\n"
        "m = libc.mmap(None, 4096, 1, 1, f, 0); done(libc.mprotect(ctypes.c_void_p(m), 4096, 3))",
        proven=False,
    ),
    _py("path_only", "f = os.open(OUT + '/a.txt', os.O_PATH); open(f'/proc/self/fd/{f}', 'w').write('x')"),
    _py(
        "unnamed_file",
        "f = os.open(OUT, os.O_TMPFILE | os.O_WRONLY); call((265, 37), -100, f'/proc/self/fd/{f}'.encode(), "
        "-100, (OUT + '/new').encode(), 0x400)",
    ),
    _py("new_open_call", "call(437, -100, (OUT + '/a.txt').encode(), struct.pack('QQQ', 0, 0, 0), 24)"),
    _py(
        "file_handle",
        "h = ctypes.create_string_buffer(struct.pack('II', 128, 0) + bytes(128)); m = ctypes.create_string_buffer(4)\n"
        "call((303, 264), -100, b'/etc', h, m, 0)\n"
        "call((304, 265), os.open('/etc', 0), h, 0)",
    ),
    _sh("workspace", "cat @ws@/program.shep"),
    _sh("workspace_write", "echo x > @ws@/new.txt"),
    _sh("state", "cat @ws@/.shepherd/config.toml"),
    _sh("state_write", "printf '[jail]\\noff = true\\n' >> @ws@/.shepherd/config.toml", proven=False),
    _sh("trace", "ls @ws@/.shepherd/trace.git"),
    _sh("journal", "ls @ws@/.shepherd/runs"),
    _sh("other_runs", "test $(ls @ws@/.shepherd/scopes | wc -l) -gt 1", proven=False),
    _sh("own_stage", "echo x > ../stage/evil"),
    _sh("own_cache", "cd ..; touch seen"),
    _sh("home", "cat @home@/.netrc"),
    _sh("home_of_passwd", 'cat "$(getent passwd $(id -u) | cut -d: -f6)/.bashrc"', proven=False),
    _sh("passwords", "cat /etc/shadow"),
    _sh("mail_and_jobs", "ls /var/spool /var/lib /var/log", proven=False),
    _sh("preload_file", "echo /tmp/evil.so > /etc/ld.so.preload", proven=False),
    _sh("jobs", "echo x > /etc/cron.d/evil", proven=False),
    _sh("system_program", "cp /bin/true /usr/local/bin/evil", proven=False),
    _sh("interpreter", "echo 'import os' > \"$(@python@ -c 'import site; print(site.__file__)')\".pth", proven=False),
    _sh("host_temporary", "ls /tmp/ | grep -q '@tmpname@'"),
    _sh("host_shared_memory", "cat @shm@"),
    _sh("in_run", "ls /run/* /var/run/*", proven=False),
)
ATTRIBUTES = (
    _sh("chmod", "chmod 777 @out@/a.txt"),
    _sh("chmod_recursive", "chmod -R a+w @out@"),
    _sh("chmod_by_link", "ln -s @out@/a.txt lure; chmod 777 lure"),
    _sh("chmod_system", "chmod 755 /usr/bin/env", proven=False),
    _py("chmod_by_descriptor", "os.fchmod(os.open('/etc/passwd', os.O_RDONLY), 0o644)", proven=False),
    _py("chmod_by_proc", "f = os.open('/usr', os.O_PATH); os.chmod(f'/proc/self/fd/{f}', 0o755)", proven=False),
    _py("chmod_new_call", "call(452, -100, b'/etc/passwd', 0o644, 0)", proven=False),
    _sh("chown", "chown 12345 @out@/a.txt"),
    _py("chown_system", "os.chown('/etc/passwd', os.getuid(), -1)", proven=False),
    _sh("times", "touch -d 2001-01-01 @out@/a.txt"),
    _sh("times_of_system", "touch -c /etc/passwd", proven=False),
    _py("times_by_descriptor", "os.utime(os.open('/etc/passwd', os.O_RDONLY))", proven=False),
    _py("attribute", "os.setxattr(OUT + '/a.txt', 'user.evil', b'x')"),
    _py("attribute_of_system", "os.setxattr('/usr/bin/env', 'user.evil', b'x')", proven=False),
    _py("attribute_removed", "os.removexattr(OUT + '/a.txt', 'user.kept')"),
    _py("flags", "fcntl.ioctl(os.open('/etc/passwd', 0), 0x40086602, struct.pack('l', 0x20))", proven=False),
    _py("devices_mode", "os.chmod('/dev/null', 0o600)", proven=False),
)
PROC = (
    _sh("own_root", "cat /proc/self/root@out@/a.txt"),
    _sh(
        "own_cwd",
        'cat "/proc/self/cwd/../../../../../../../../../../../../../../../../../../../../../../../..@out@/a.txt"',
    ),
    _sh("first_root", "cat /proc/1/root@out@/a.txt", proven=False),
    _sh("thread_root", "cat /proc/thread-self/root@out@/a.txt"),
    _sh("driver_root", "cat /proc/@driver@/root@out@/a.txt"),
    _sh("driver_cwd", "ls /proc/@driver@/cwd/"),
    _sh("driver_environment", "cat /proc/@driver@/environ"),
    _sh("driver_memory", "head -c 1 /proc/@driver@/maps | grep -q ."),
    _py("driver_memory_write", "open('/proc/@driver@/mem', 'r+b')"),
    _sh("driver_descriptors", "ls /proc/@driver@/fd"),
    _sh("driver_name", "echo evil > /proc/@driver@/comm", proven=False),
    _sh("driver_score", "echo 1000 > /proc/@driver@/oom_score_adj", proven=False),
    _py("keeper_memory", "open('/proc/1/mem', 'r+b')", proven=False),
    _py("keeper_memory_read", "open('/proc/1/mem', 'rb')", proven=False),
    _sh("keeper_maps", "head -c 1 /proc/1/maps | grep -q .", proven=False),
    _sh("keeper_environment", "head -c 1 /proc/1/environ | grep -q .", proven=False),
    _py(
        "keeper_descriptors",
        "for fd in range(64):\n    try: os.open(f'/proc/1/fd/{fd}', os.O_RDONLY | os.O_NONBLOCK); break\n"
        "    except OSError: continue\nelse: raise PermissionError",
        proven=False,
    ),
    _py(
        "keeper_report",
        "for fd in range(64):\n    try: os.open(f'/proc/1/fd/{fd}', os.O_WRONLY | os.O_NONBLOCK); break\n"
        "    except OSError: continue\nelse: raise PermissionError",
        proven=False,
    ),
    _sh("secret_of_any_process", "cat /proc/[0-9]*/environ | grep -q MY_TOKEN", proven=False),
    _sh("own_user_map", "echo '0 0 1' > /proc/self/uid_map", proven=False),
    _sh("core_pattern", "echo '|/tmp/evil' > /proc/sys/kernel/core_pattern", proven=False),
    _sh("module_loader", "echo /tmp/evil > /proc/sys/kernel/modprobe", proven=False),
    _sh("forwarding", "echo 1 > /proc/sys/net/ipv4/ip_forward", proven=False),
    _sh("process_limit", "echo 4000000 > /proc/sys/kernel/pid_max", proven=False),
    _sh("magic_keys", "echo h > /proc/sysrq-trigger", proven=False),
    _sh("kernel_memory", "head -c 1 /proc/kcore | grep -q .", proven=False),
    _sh("kernel_log", "dmesg", proven=False),
    _sh("processors", "echo 1 > /sys/devices/system/cpu/cpu1/online", proven=False),
    _sh("control_groups", "mkdir /sys/fs/cgroup/evil /sys/fs/cgroup/pids/evil", proven=False),
    _sh("kernel_settings", "ls /sys/kernel /sys/module", proven=False),
)
KERNEL = (
    _py("mount_tmpfs", "os.mkdir('m'); done(libc.mount(b'x', b'm', b'tmpfs', 0, None))", proven=False),
    _py("mount_bind", "os.mkdir('m'); done(libc.mount(b'/', b'm', None, 4096, None))", proven=False),
    _py("mount_writable", "done(libc.mount(None, b'/usr', None, 4096 | 32, None))", proven=False),
    _py("mount_attributes", "call(442, -100, b'/usr', 0, struct.pack('QQQQ', 0, 1, 0, 0), 32)", proven=False),
    _py("unmount", "done(libc.umount2(b'/proc', 2))", proven=False),
    _py("unmount_own", "os.chdir('/'); done(libc.umount2(b'@files@', 2))", proven=False),
    _py("open_tree", "call(428, -100, b'/', 1)", proven=False),
    _py("new_file_system", "call(430, b'tmpfs', 0)", proven=False),
    _py("move_mount", "call(429, -100, b'/tmp', -100, b'/usr', 0)", proven=False),
    _py("change_root", "os.chroot('.')", proven=False),
    _py("pivot_root", "done(libc.pivot_root(b'.', b'.'))", proven=False),
    _py("user_namespace", "done(libc.unshare(0x10000000))", proven=False),
    _py("mount_namespace", "done(libc.unshare(0x20000))", proven=False),
    _py("process_namespace", "done(libc.unshare(0x20000000))", proven=False),
    _sh("unshare", "unshare -Urm true", proven=False),
    _py("clone_user", "call((56, 220), 0x10000000 | 17, 0, 0, 0, 0) or os._exit(0)", proven=False),
    _py(
        "clone3",
        "call(435, struct.pack('QQQQQQQQ', 0x10000000, 0, 0, 0, 17, 0, 0, 0), 64) or os._exit(0)",
        proven=False,
    ),
    _py("enter_own", "done(libc.setns(os.open('/proc/self/ns/mnt', os.O_RDONLY), 0))", proven=False),
    _py("enter_drivers", "done(libc.setns(os.open('/proc/@driver@/ns/mnt', os.O_RDONLY), 0))"),
    _py("block_device", "os.mknod('disk', 0o60600, os.makedev(*@disk@))", proven=False),
    _py("character_device", "os.mknod('memory', 0o20600, os.makedev(1, 1))"),
    _sh("read_disk", "head -c 1 /dev/@diskname@", proven=False),
    _sh("devices", "ls /dev/kvm /dev/fuse /dev/mem /dev/kmsg /dev/vsock /dev/loop0", proven=False),
    _py("terminal_input", "fcntl.ioctl(os.open('/dev/null', os.O_RDWR), 0x5412, b'x')", proven=False),
    _py("set_user_bit", "open('s', 'w').close(); os.chmod('s', 0o4755)"),
    _py("set_group_bit", "open('s', 'w').close(); os.fchmod(os.open('s', 0), 0o2755)"),
    _py("set_user_bit_at_birth", "os.close(os.open('s', os.O_CREAT | os.O_WRONLY, 0o4755))"),
    _py(
        "set_user_bit_unnamed",
        "f = os.open('.', os.O_TMPFILE | os.O_WRONLY, 0o4755)\n"
        "call((265, 37), -100, f'/proc/self/fd/{f}'.encode(), -100, b's', 0x400)",
    ),
    _sh("set_user_copy", "cp /bin/sh s; chmod u+s s; ./s -c true"),
    _sh("set_user_install", "install -m 4755 /bin/sh s"),
    _py("other_user", "os.setresuid(*[os.getuid() + 1] * 3)"),
    _py("other_group", "os.setresgid(*[os.getgid() + 1] * 3)"),
    _py("other_groups", "os.setgroups([12345])"),
    _py(
        "capabilities",
        "done(libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(*[0x200000] * 6)))",
    ),
    _py(
        "file_capabilities",
        "open('s', 'w').close(); os.setxattr('s', 'security.capability', bytes.fromhex("
        "'0000000200002000000000000000000000000000'))",
    ),
    _py("raise_limit", "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)"),
    _py("trace_first", "done(libc.ptrace(16, 1, 0, 0))", proven=False),
    _py("trace_own_child", "p = os.fork()\nif not p: time.sleep(9)\ndone(libc.ptrace(16, p, 0, 0))", proven=False),
    _py("trace_driver", "done(libc.ptrace(0x4206, @driver@, 0, 0)); libc.ptrace(17, @driver@, 0, 0)", proven=False),
    _py("trace_drivers_child", "done(libc.ptrace(16, os.getppid(), 0, 0))", proven=False),
    _py("trace_victim", "done(libc.ptrace(0x4206, @victim@, 0, 0)); libc.ptrace(17, @victim@, 0, 0)", proven=False),
    _py(
        "read_memory_of_driver",
        "b = ctypes.create_string_buffer(8); v = struct.pack('PN', ctypes.addressof(b), 8)\n"
        "call((310, 270), @driver@, v, 1, struct.pack('PN', id(None), 8), 1, 0)",
        proven=False,
    ),
    _py(
        "write_memory_of_driver",
        "b = ctypes.create_string_buffer(8); v = struct.pack('PN', ctypes.addressof(b), 8)\n"
        "call((311, 271), @driver@, v, 1, struct.pack('PN', 0, 8), 1, 0)",
        proven=False,
    ),
    _py("compare", "call((312, 272), os.getpid(), os.getppid(), 0, 0, 0)", proven=False),
    _py("fetch_descriptor", "call(438, os.pidfd_open(1), 0, 0)", proven=False),
    _py("program_in_kernel", "call((321, 280), 0, struct.pack('IIII', 1, 4, 4, 1) + bytes(56), 72)", proven=False),
    _py(
        "performance_events", "call((298, 241), struct.pack('IIQ', 1, 112, 0) + bytes(96), 0, -1, -1, 0)", proven=False
    ),
    _py("page_faults", "call((323, 282), 0)", proven=False),
    _py("ring", "call(425, 4, ctypes.create_string_buffer(120))"),
    _py("keys", "call((248, 217), b'user', b'evil', b'x', 1, -4)", proven=False),
    _py("keyring", "call((250, 219), 0, -3, 1)", proven=False),
    _py("module", "call((175, 105), b'x', 1, b'')", proven=False),
    _py("next_kernel", "call((246, 104), 0, 0, 0, 0)", proven=False),
    _py("reboot", "call((169, 142), 0, 0, 0, 0)", proven=False),
    _py("swap", "call((168, 225), b'/nowhere')", proven=False),
    _py("accounting", "call((163, 89), 0)", proven=False),
    _py("clock", "time.clock_settime(time.CLOCK_REALTIME, time.time())", proven=False),
    _py("host_name", "socket.sethostname(socket.gethostname())", proven=False),
    _py("ports", "call(173, 0, 1, 1) if not ARM else call((169, 142), 0, 0, 0, 0)", proven=False),
    _py("lease_of_system", "fcntl.fcntl(os.open('/etc/passwd', os.O_RDONLY), 1024, 1)", proven=False),
    _py("lease_of_own", "fcntl.fcntl(os.open('mine', os.O_RDWR | os.O_CREAT), 1024, 1)"),
    _py("watch_of_system", "fcntl.fcntl(os.open('/etc', os.O_RDONLY), 1026, 4)"),
    _py("delegation_of_system", "fcntl.fcntl(os.open('/etc', os.O_RDONLY), 1040, bytes(16))", proven=False),
    _py("file_events", "call((300, 262), 0, 0)", proven=False),
    _py("x32_call", "assert not ARM; libc.syscall(ctypes.c_long(0x40000000 + 39)); print('ran')", proven=False),
    _sh(
        "call_of_32_bits",
        'printf \'int main(void){int r;__asm__ volatile("int $0x80":"=a"(r):"a"(20));return r<=0;}\' > c.c\n'
        "gcc -o c c.c; ./c",
        proven=False,
    ),
)
PROCESSES = (
    _sh("kill_victim", "kill -9 @victim@"),
    _sh("stop_victim", "kill -STOP @victim@"),
    _sh("signal_driver", "kill -0 @driver@"),
    _py("kill_drivers_group", "os.killpg(@group@, 0)"),
    _py("signal_by_descriptor", "signal.pidfd_send_signal(os.pidfd_open(@victim@), signal.SIGKILL)"),
    _py(
        "signal_by_held_descriptor",
        "import glob\nwhy = PermissionError()\n"
        "for place in glob.glob('/proc/[0-9]*/fd/*'):\n"
        "    try:\n        signal.pidfd_send_signal(os.open(place, os.O_RDONLY | os.O_NONBLOCK), 0)\n        break\n"
        "    except OSError as error:\n        why = error\n"
        "else:\n    raise why",
        proven=False,
    ),
    _py("signal_by_thread", "call((234, 131), @victim@, @victim@, 9)"),
    _py("queue_signal", "call((129, 138), @victim@, 10, struct.pack('iii', 10, 0, -1) + bytes(116))"),
    _sh("priority_of_victim", "renice -n 5 -p @victim@"),
    _py("limits_of_driver", "resource.prlimit(@driver@, resource.RLIMIT_NOFILE)"),
    _py("processors_of_victim", "os.sched_setaffinity(@victim@, {0})"),
    _py("scheduling_of_victim", "os.sched_setscheduler(@victim@, os.SCHED_BATCH, os.sched_param(0))"),
    _sh("names_of_processes", "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -q 'slee[p] @nap@'", proven=False),
    _py("memory_of_system_v", "call((29, 194), @key@, 4096, 0)"),
    _py("inherited", "assert [fd for fd in range(3, 4096) if os.path.lexists(f'/proc/self/fd/{fd}')]", proven=False),
    _sh("secret_in_environment", "printenv MY_TOKEN", proven=False),
)
NETWORK = (
    _py("tcp", "socket.create_connection(('127.0.0.1', @tcp@), 5).send(b'x')"),
    _py("tcp_by_name", "socket.create_connection(('localhost', @tcp@), 5)"),
    _py("tcp_mapped", "s = socket.socket(socket.AF_INET6); s.connect(('::ffff:127.0.0.1', @tcp@))"),
    _py("tcp_any", "s = socket.socket(); s.connect(('0.0.0.0', @tcp@))"),
    _py("tcp_outside", "socket.create_connection(('192.0.2.1', 80), 3)", proven=False),
    _py("tcp_fast_open", "s = socket.socket(); s.sendto(b'x', 0x20000000, ('127.0.0.1', @tcp@))"),
    _py("udp", "s = socket.socket(type=socket.SOCK_DGRAM); s.sendto(b'x', ('127.0.0.1', @udp@))"),
    _py("udp6", "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.sendto(b'x', ('::ffff:127.0.0.1', @udp@))"),
    _py(
        "broadcast",
        "s = socket.socket(type=socket.SOCK_DGRAM); s.setsockopt(1, 6, 1); s.sendto(b'x', ('255.255.255.255', @udp@))",
        proven=False,
    ),
    _py("serve", "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()"),
    _sh("resolve", "getent ahosts example.org", proven=False),
    _py(
        "raw",
        "s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); s.sendto(b'x', ('127.0.0.1', 0))",
        proven=False,
    ),
    _py("packet", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", proven=False),
    _py("virtual_machine", "socket.socket(socket.AF_VSOCK)", proven=False),
    _py("kernel_crypto", "socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)", proven=False),
    _sh("interface_up", "ip link set lo up || ifconfig lo up", proven=False),
    _py("interface_flags", "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 0x41))", proven=False),
    _py("unix", "s = socket.socket(socket.AF_UNIX); s.connect('@sock@')"),
    _py("unix_by_link", "os.symlink('@out@', 'o'); s = socket.socket(socket.AF_UNIX); s.connect('o/' + '@sockname@')"),
    _py("unix_by_driver", "s = socket.socket(socket.AF_UNIX); s.connect('/proc/@driver@/root@sock@')"),
    _py("unix_datagram", "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendto(b'x', '@datagrams@')"),
    _py("unix_abstract", "s = socket.socket(socket.AF_UNIX); s.connect('\\0@abstract@')"),
)

ATTEMPTS: tuple[tuple[str, Attempt], ...] = tuple(
    (f"{group}-{attempt.name}", attempt)
    for group, attempts in (
        ("files", FILES),
        ("attributes", ATTRIBUTES),
        ("proc", PROC),
        ("kernel", KERNEL),
        ("processes", PROCESSES),
        ("network", NETWORK),
    )
    for attempt in attempts
)

RACES = (
    _py(
        "link_swapped",
        """
os.mkdir("mine"); os.symlink(OUT, "lure")
stop = time.monotonic() + 1
def swap():
    while time.monotonic() < stop:
        call((316, 276), -100, b"mine", -100, b"lure", 2)
threading.Thread(target=swap).start()
hits = 0
while time.monotonic() < stop:
    for name in ("mine", "lure"):
        for act in (lambda p: open(p + "/new", "w").close(), lambda p: os.unlink(p + "/a.txt"),
                    lambda p: os.chmod(p + "/a.txt", 0o777), lambda p: os.rename(p + "/a.txt", p + "/b.txt")):
            try:
                act(name)
            except OSError:
                pass
            hits += os.path.exists(name + "/secret.txt")
assert hits
""",
    ),
    _py(
        "folder_moved_under_dots",
        """
os.makedirs("one/two/three"); os.mkdir("other")
stop = time.monotonic() + 1
def move():
    while time.monotonic() < stop:
        for a, b in (("one/two", "other/two"), ("other/two", "one/two")):
            try: os.rename(a, b)
            except OSError: pass
threading.Thread(target=move).start()
found = False
up = "../" * 40 + OUT.lstrip("/")
while time.monotonic() < stop and not found:
    for start in ("one/two/three", "other/two/three"):
        try:
            fd = os.open(start, os.O_RDONLY)
            found = bool(os.listdir(os.open(up, os.O_RDONLY, dir_fd=fd)))
        except OSError:
            pass
assert found
""",
    ),
    _py(
        "file_swapped_for_link",
        """
open("mine", "w").close(); os.symlink(OUT + "/a.txt", "lure")
stop = time.monotonic() + 1
def swap():
    while time.monotonic() < stop:
        call((316, 276), -100, b"mine", -100, b"lure", 2)
threading.Thread(target=swap).start()
hits = 0
while time.monotonic() < stop:
    for name in ("mine", "lure"):
        try:
            with open(name, "r+") as f:
                hits += bool(f.read())
            os.utime(name, (1, 1)); os.truncate(name, 0)
        except OSError:
            pass
assert hits
""",
    ),
)
