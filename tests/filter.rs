//! Which system calls a step may make: what it tries is answered as container engines answer it.

use crate::kit::{Kit, installed, root};

/// Name and number of a call for x86-64, arguments, and the error that it gives; 0 is none.
const CALLS: [(&str, u32, &str, u32); 14] = [
    ("getpid", 39, "", 0),
    ("mount", 165, "0,0,0,0,0", libc_errno::EPERM),
    ("keyctl", 250, "0,-3,0", libc_errno::EPERM),
    ("bpf", 321, "0,0,0", libc_errno::EPERM),
    ("io_uring_setup", 425, "1,0", libc_errno::EPERM),
    ("userfaultfd", 323, "0", libc_errno::EPERM),
    ("unshare of users", 272, "0x10000000", libc_errno::EPERM),
    ("setns", 308, "0,0", libc_errno::EPERM),
    ("open_tree", 428, "-100,0,0", libc_errno::EPERM),
    ("clone3", 435, "0,0", libc_errno::ENOSYS),
    ("a call of a newer kernel", 470, "", libc_errno::ENOSYS),
    ("a call of no kernel", 990, "", libc_errno::ENOSYS),
    ("a socket of the kernel's ciphers", 41, "38,5,0", libc_errno::EPERM),
    ("a socket", 41, "1,1,0", 0),
];

/// Of errno(3).
mod libc_errno {
    pub(super) const EPERM: u32 = 1;
    pub(super) const ENOSYS: u32 = 38;
}

#[test]
fn calls_are_allowed_refused_or_unknown_on_every_rung_that_mounts() {
    if !root() || !installed("perl") {
        return;
    }
    if !cfg!(target_arch = "x86_64") {
        return crate::kit::skipped("the numbers are those of x86-64");
    }
    let mut kit = Kit::new();
    let tries = CALLS.iter().map(|(_, number, arguments, _)| {
        let separator = if arguments.is_empty() { "" } else { "," };
        format!("$! = 0; print syscall({number}{separator}{arguments}) < 0 ? $!+0 : 0, qq(\\n);")
    });
    let tries = tries.collect::<Vec<_>>().concat();
    kit.flag(&["--build-context", "tools=host:sh,perl"])
        .dockerfile(&format!("FROM tools\nRUN perl -e '{tries}' > /answers\n"));
    for isolation in ["root", "rootless", "single-id"] {
        kit.new_store().flag(&["--isolation", isolation]);
        let image = kit.build().succeeds();
        kit.without_flag(&["--isolation", isolation]);
        let answers = String::from_utf8(image.file_of_image("/answers").unwrap().content).unwrap();
        let answers: Vec<u32> = answers.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(answers.len(), CALLS.len());
        for ((name, .., want), got) in CALLS.iter().zip(answers) {
            assert_eq!(got, *want, "{isolation}: {name}");
        }
    }
}

/// Without the capability to filter freely, a filter would break set-id programs, which a step of an ordinary user may need.
#[test]
fn a_users_step_in_a_chroot_without_capabilities_has_no_filter_and_may_change_its_user() {
    if !root() || !installed("setpriv") {
        return;
    }
    let mut kit = Kit::new();
    kit.flag(&["--build-context", "tools=host:sh,chmod,id"])
        .dockerfile("FROM tools\nRUN chmod u+s $(command -v id)\nUSER 1:1\nRUN id > /tmp/id\n");
    let archive = kit.path("out.tar");
    let build = kit.command(&["--isolation", "chroot", "-o", archive.to_str().unwrap()]);
    let mut command = std::process::Command::new("setpriv");
    command
        .args(["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"])
        .arg(build.get_program())
        .args(build.get_args());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let id = crate::kit::Image::read(&archive).file_of_image("/tmp/id").unwrap().content;
    let id = String::from_utf8(id).unwrap();
    assert!(id.contains("uid=1") && id.contains("euid=0"), "the set-user-id bit counts: {id}");
}
