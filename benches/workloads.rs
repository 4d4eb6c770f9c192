//! The workloads: each makes its own context, and names the command that builds it and the floor it is held against.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::floors;

/// One row of the table.
pub(crate) struct Bench {
    pub(crate) name: &'static str,
    /// Takes minutes and gigabytes: measured only when named.
    pub(crate) large: bool,
    pub(crate) limit: Limit,
    pub(crate) floor_is: &'static str,
    /// Makes what the commands need, unless it is there.
    pub(crate) make: fn(&Site),
    pub(crate) kiln: fn(&Site) -> Command,
    pub(crate) floor: fn(&Site) -> Command,
    pub(crate) buildah: Option<fn(&Site) -> Command>,
    /// The other builder is to know the steps, too.
    pub(crate) is_warm: bool,
}

/// What is asked of a row.
pub(crate) enum Limit {
    /// Wall time, against the floor's.
    Ratio(f64),
    /// Wall time.
    Seconds(f64),
    /// Peak resident memory in MiB.
    Memory(f64),
}

use Limit::{Memory, Ratio, Seconds};

const fn bench(
    name: &'static str,
    limit: Limit,
    make: fn(&Site),
    kiln: fn(&Site) -> Command,
    floor_is: &'static str,
    floor: fn(&Site) -> Command,
) -> Bench {
    Bench { name, large: false, limit, floor_is, make, kiln, floor, buildah: None, is_warm: false }
}

const fn large(bench: Bench) -> Bench {
    Bench { large: true, ..bench }
}

const fn with_buildah(bench: Bench, command: fn(&Site) -> Command) -> Bench {
    Bench { buildah: Some(command), ..bench }
}

const fn with_warm_buildah(bench: Bench, command: fn(&Site) -> Command) -> Bench {
    Bench { is_warm: true, ..with_buildah(bench, command) }
}

/// All rows, in the order of the table.
pub(crate) static ALL: &[Bench] = &[
    with_buildah(
        bench("run40", Ratio(2.5), run40, |s| s.cold("run40"), "clone3, overlay, exec", |s| s.bare_runs(40)),
        |s| s.buildah("run40", false),
    ),
    with_warm_buildah(
        bench("run40-warm", Seconds(0.02), run40, |s| s.warm("run40", true), "start of the program", Site::nothing),
        |s| s.buildah("run40", true),
    ),
    with_buildah(
        bench("copy20k", Ratio(0.4), copy20k, |s| s.cold("copy20k"), "tar, pigz -6", |s| s.tar_and_pigz("copy20k")),
        |s| s.buildah("copy20k", false),
    ),
    with_warm_buildah(
        bench(
            "copy20k-warm",
            Seconds(0.12),
            copy20k,
            |s| s.warm("copy20k", true),
            "stat walk, copy of the tar",
            |s| floors::command("stat-and-copy", &[&s.at("copy20k"), &s.at("copy20k.tar"), &s.at("copy20k.copy")]),
        ),
        |s| s.buildah("copy20k", true),
    ),
    bench("copy20k-check", Ratio(2.0), copy20k, |s| s.warm("copy20k", false), "stat walk", |s| s.stat("copy20k")),
    with_buildah(
        bench("node", Ratio(0.8), node, |s| s.cold("node"), "tar, pigz -6", |s| s.tar_and_pigz("node")),
        |s| s.buildah("node", false),
    ),
    bench("node-check", Ratio(2.0), node, |s| s.warm("node", false), "stat walk", |s| s.stat("node")),
    bench("ignore500", Ratio(3.0), ignore500, |s| s.warm("ignore500", false), "find", |s| s.find("ignore500")),
    with_buildah(
        bench("deep", Seconds(1.0), deep, |s| s.cold("deep"), "clone3, overlay, exec", |s| s.bare_runs(201)),
        |s| s.buildah("deep", false),
    ),
    bench("deep-top", Ratio(2.0), deep_top, |s| s.top("deep-top"), "the same on 2 layers", |s| s.top("flat-top")),
    with_buildah(
        bench("stages50", Seconds(1.2), stages50, |s| s.cold("stages50"), "sleep", |_| program("sleep", &["0.4"])),
        |s| s.buildah("stages50", false),
    ),
    large(with_buildah(
        bench("dpkg", Seconds(10.0), dpkg, |s| s.cold("dpkg"), "the same in a bare chroot", Site::bare_dpkg),
        |s| s.buildah("dpkg", false),
    )),
    bench("long300", Seconds(0.01), long300, |s| s.check("long300"), "start of the program", Site::nothing),
    large(bench(
        "bigfile",
        Memory(256.0),
        bigfile,
        |s| s.cold("bigfile"),
        "the compressor alone",
        |s| floors::command("compress", &[&s.at("bigfile/big"), &s.at("bigfile.gz")]),
    )),
    large(bench(
        "million",
        Memory(400.0),
        million,
        |s| s.cold("million"),
        "reading all",
        |s| floors::command("read", &[&s.at("million")]),
    )),
    large(bench(
        "million-check",
        Ratio(2.0),
        million,
        |s| s.warm("million", false),
        "stat walk",
        |s| s.stat("million"),
    )),
];

fn program(name: &str, words: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(words);
    command
}

/// Where everything lies.
pub(crate) struct Site {
    dir: PathBuf,
    scale: f64,
}

impl Site {
    pub(crate) fn new(dir: &Path, scale: f64) -> Self {
        fs::create_dir_all(dir).unwrap();
        let site = Self { dir: dir.canonicalize().unwrap(), scale };
        site.base();
        site
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a count of files"
    )]
    fn scaled(&self, count: usize) -> usize {
        ((count as f64 * self.scale) as usize).max(1)
    }

    /// An image with a shell, as an OCI layout.
    fn base(&self) {
        let layout = self.at("base");
        if layout.exists() {
            return;
        }
        let context = self.at("base-context");
        fs::create_dir_all(context.join("bin")).unwrap();
        fs::copy("/bin/busybox", context.join("bin/busybox")).expect("busybox-static");
        for applet in ["sh", "cat", "echo", "sleep", "test", "mkdir", "true", "wc"] {
            symlink("busybox", context.join("bin").join(applet)).unwrap();
        }
        fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY bin /bin\nENV PATH=/bin\n").unwrap();
        self.image(&context, "busybox:latest", &layout);
    }

    /// Builds `context` into an OCI layout.
    fn image(&self, context: &Path, name: &str, layout: &Path) {
        let mut command = self.build(context, &self.at("base-store"));
        command.args(["-t", name, "-o"]).arg(format!("type=oci,tar=false,dest={}", layout.display()));
        assert!(command.arg(context).status().unwrap().success());
    }

    fn build(&self, context: &Path, store: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
        command.args(["build", "--progress", "quiet", "--store"]).arg(store);
        for (name, layout) in [("busybox", self.at("base")), ("debian", self.at("debian-base"))] {
            if layout.exists() {
                command.arg("--build-context").arg(format!("{name}=oci-layout://{}", layout.display()));
            }
        }
        command.arg("-f").arg(context.join("Dockerfile"));
        command
    }

    fn tar(&self, name: &str) -> String {
        format!("type=oci,dest={}", self.at(&format!("{name}.tar")).display())
    }

    /// Removes the stores of cold builds, and waits: ext4 passes over inodes that were freed in the last five seconds, without
    /// a journal in the last minutes. Then rows that follow a large removal are slower, floors and other builders as well.
    pub(crate) fn clear(&self) {
        let _absent = fs::remove_dir_all(self.at("cold-stores"));
        let _absent = fs::remove_dir_all(self.at("scratch"));
        std::thread::sleep(std::time::Duration::from_secs(6));
    }

    /// A directory of a name that nothing has had before.
    fn fresh(&self, within: &str) -> PathBuf {
        let within = self.at(within);
        fs::create_dir_all(&within).unwrap();
        tempfile::Builder::new().prefix("").tempdir_in(within).unwrap().keep()
    }

    /// A build into an OCI archive with an empty store.
    fn cold(&self, name: &str) -> Command {
        let store = self.fresh("cold-stores");
        let mut command = self.build(&self.at(name), &store);
        command.arg("-o").arg(self.tar(name)).arg(self.at(name));
        command
    }

    /// A build of what its store knows.
    fn warm(&self, name: &str, output: bool) -> Command {
        let store = self.at(&format!("{name}-store"));
        let mut command = self.build(&self.at(name), &store);
        if output || !store.exists() {
            command.arg("-o").arg(self.tar(name));
        }
        command.arg(self.at(name));
        command
    }

    /// One step anew, on the base of that name.
    fn top(&self, name: &str) -> Command {
        let mut command = self.warm(name, false);
        command.arg(format!("--build-context=top-base=oci-layout://{}", self.at(&format!("{name}-image")).display()));
        command.args(["--no-cache-filter", "top"]);
        command
    }

    /// Reading and planning.
    fn check(&self, name: &str) -> Command {
        let mut command = self.build(&self.at(name), &self.at("check-store"));
        command.arg("--check").arg(self.at(name));
        command
    }

    fn nothing(_: &Self) -> Command {
        program(env!("CARGO_BIN_EXE_kiln"), &["--version"])
    }

    fn stat(&self, name: &str) -> Command {
        floors::command("stat", &[&self.at(name)])
    }

    fn find(&self, name: &str) -> Command {
        let mut command = program("find", &[]);
        command.arg(self.at(name)).args(["-printf", "%s\n"]);
        command
    }

    fn tar_and_pigz(&self, name: &str) -> Command {
        let text = format!("tar cf - -C {0} . | pigz -p2 -6 > {0}.pigz", self.at(name).display());
        program("sh", &["-c", &text])
    }

    /// The program of `floor/runs.c` over the base's files.
    fn bare_runs(&self, count: usize) -> Command {
        let floor = self.at("runs");
        if !floor.exists() {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/floor/runs.c");
            assert!(Command::new("cc").arg("-O2").arg("-o").arg(&floor).arg(source).status().unwrap().success());
        }
        let scratch = self.fresh("scratch");
        let mut command = Command::new(floor);
        command.arg(self.scaled(count).to_string()).arg(self.at("base-context")).arg(scratch);
        command
    }

    /// The packages of the workload `dpkg`, unpacked over the base's files in an overlay that need not outlast a crash.
    fn bare_dpkg(&self) -> Command {
        let scratch = self.fresh("scratch");
        for name in ["upper", "work", "root"] {
            fs::create_dir_all(scratch.join(name)).unwrap();
        }
        let text = format!(
            "mount -t overlay -o volatile,lowerdir={lower},upperdir=upper,workdir=work overlay root && mkdir root/debs && \
             cp {debs}/*.deb root/debs && mount -t proc proc root/proc && \
             chroot root sh -c 'dpkg --force-all --unpack /debs/*.deb && rm -r /debs'",
            lower = self.at("debian-root").display(),
            debs = self.at("dpkg/debs").display(),
        );
        let mut command = program("unshare", &["-m", "sh", "-c", &text]);
        command.current_dir(scratch);
        command
    }

    fn buildah(&self, name: &str, layers: bool) -> Command {
        let root = self.at("buildah");
        let mut common = vec!["--root".to_owned(), root.display().to_string(), "--runroot".to_owned()];
        common.push(self.at("buildah-run").display().to_string());
        for (name, layout) in [("busybox", self.at("base")), ("debian", self.at("debian-base"))] {
            let known = Command::new("buildah").args(&common).args(["inspect", "--type=image", name]).output().unwrap();
            if known.status.success() || !layout.exists() {
                continue;
            }
            let layout = format!("oci:{}:latest", layout.display());
            let pulled = Command::new("buildah").args(&common).args(["pull", &layout]).output().unwrap();
            let id = String::from_utf8(pulled.stdout).unwrap();
            assert!(Command::new("buildah").args(&common).args(["tag", id.trim(), name]).status().unwrap().success());
        }
        let mut command = Command::new("buildah");
        command.args(&common).args(["bud", "--isolation", "chroot", "--ulimit", "nofile=20000:20000", "--pull-never"]);
        command.arg(if layers { "--layers" } else { "--no-cache" });
        let archive = format!("oci-archive:{}", self.at(&format!("{name}.buildah.tar")).display());
        command.args(["-q", "-t", &archive]).arg(self.at(name));
        command
    }

    /// Makes a context, unless it is there: `files` is given its directory.
    fn context(&self, name: &str, dockerfile: &str, files: impl FnOnce(&Path)) {
        let dir = self.at(name);
        if dir.exists() {
            return;
        }
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("Dockerfile"), dockerfile).unwrap();
        files(&dir);
    }
}

/// Text that looks like source and compresses like it, the same each time.
struct Text(u64);

impl Text {
    fn number(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn of_length(&mut self, length: usize) -> String {
        const WORDS: [&str; 24] = [
            "value", "index", "return", "if", "for", "static", "const", "state", "buffer", "length", "result", "error",
            "node", "parent", "child", "offset", "struct", "while", "count", "next", "self", "match", "key", "table",
        ];
        let mut text = String::with_capacity(length + 64);
        while text.len() < length {
            let (first, second) = (WORDS[self.number(24)], WORDS[self.number(24)]);
            let (third, number) = (WORDS[self.number(24)], self.number(65536));
            let _infallible = match self.number(4) {
                0 => writeln!(text, "    {first}_{second} = {third}({number:#06x});"),
                1 => writeln!(text, "    if ({first}->{second} != {third}_{number}) {{"),
                2 => writeln!(text, "        log(\"{first} {second}: %d\", {third});\n    }}"),
                _ => writeln!(text, "// {first} {second} {third} {number}"),
            };
        }
        text.truncate(length);
        text
    }
}

fn run40(site: &Site) {
    let steps = (0..site.scaled(40))
        .fold(String::from("FROM busybox\n"), |text, step| text + &format!("RUN echo step {step}\n"));
    site.context("run40", &steps, |_| {});
}

fn copy20k(site: &Site) {
    site.context("copy20k", "FROM busybox\nCOPY . /app\n", |dir| {
        let mut text = Text(1);
        for number in 0..site.scaled(20_000) {
            let below = dir.join(format!("d{}", number / 100));
            fs::create_dir_all(&below).unwrap();
            let length = 600 + text.number(20_000);
            fs::write(below.join(format!("f{number}.c")), text.of_length(length)).unwrap();
        }
    });
}

fn node(site: &Site) {
    site.context("node", "FROM busybox\nCOPY . /app\n", |dir| {
        let mut text = Text(2);
        for package in 0..site.scaled(4_400) {
            let outer = dir.join(format!("node_modules/package-{}", package / 10));
            let package = outer.join("node_modules").join(format!("inner-{package}"));
            for (below, files) in [("lib/internal", 9), ("lib", 6), ("dist/esm", 5), ("test", 3)] {
                fs::create_dir_all(package.join(below)).unwrap();
                for file in 0..files {
                    let length = 100 + text.number(900);
                    fs::write(package.join(below).join(format!("m{file}.js")), text.of_length(length)).unwrap();
                }
            }
        }
    });
}

fn ignore500(site: &Site) {
    site.context("ignore500", "FROM busybox\nCOPY . /src\n", |dir| {
        let mut text = Text(3);
        let mut patterns = String::new();
        for number in 0..500 {
            let _infallible = match number % 5 {
                0 => writeln!(patterns, "**/cache{number}"),
                1 => writeln!(patterns, "a{number}/*/build"),
                2 => writeln!(patterns, "d{}/**/*.o{number}", number % 100),
                3 => writeln!(patterns, "!**/keep{number}.txt"),
                _ => writeln!(patterns, "**/x[0-9]{number}?.tmp"),
            };
        }
        fs::write(dir.join(".dockerignore"), patterns).unwrap();
        for number in 0..site.scaled(100_000) {
            let below = dir.join(format!("d{}/s{}", number / 1000, number / 100 % 10));
            fs::create_dir_all(&below).unwrap();
            let ending = ["o2", "txt", "c", "tmp"][text.number(4)];
            fs::write(below.join(format!("x{number}.{ending}")), text.of_length(60)).unwrap();
        }
    });
}

/// A stage of COPY and RUN in turn.
fn chain(layers: usize) -> String {
    (0..layers).fold(String::new(), |text, layer| {
        text + &if layer % 2 == 0 {
            format!("COPY f{layer} /layers/f{layer}\n")
        } else {
            format!("RUN echo {layer} > /layers/r{layer}\n")
        }
    })
}

fn chain_files(dir: &Path, layers: usize) {
    for layer in (0..layers).step_by(2) {
        fs::write(dir.join(format!("f{layer}")), format!("{layer}\n")).unwrap();
    }
}

fn deep(site: &Site) {
    let layers = site.scaled(200);
    let text = format!("FROM busybox\n{}RUN cat /layers/* > /all\n", chain(layers));
    site.context("deep", &text, |dir| chain_files(dir, layers));
}

fn deep_top(site: &Site) {
    for (name, layers) in [("deep-top", site.scaled(200)), ("flat-top", 2)] {
        let image = site.at(&format!("{name}-image"));
        if !image.exists() {
            let base = format!("{name}-base");
            site.context(&base, &format!("FROM busybox\n{}", chain(layers)), |dir| chain_files(dir, layers));
            site.image(&site.at(&base), "top-base:latest", &image);
        }
        site.context(name, "FROM top-base AS top\nRUN echo top > /top\n", |_| {});
        assert!(site.top(name).status().unwrap().success());
    }
}

/// 51 MB of many small files, of Debian 12.
const PACKAGES: &str = "perl-modules-5.36 libpython3.11-stdlib python3.11-minimal git vim-runtime cpp-12 libicu72 locales tzdata \
                        manpages-dev linux-libc-dev libc6-dev";

/// These packages in a context, and a base of it. Needs mmdebstrap and an archive.
fn dpkg(site: &Site) {
    let (root, base) = (site.at("debian-root"), site.at("debian-base"));
    if !root.exists() {
        let mut command = program("mmdebstrap", &["--variant=essential", "--format=directory", "bookworm"]);
        assert!(command.arg(&root).status().expect("mmdebstrap").success());
    }
    if !base.exists() {
        fs::write(root.join("Dockerfile"), "FROM scratch\nCOPY --exclude=Dockerfile . /\n").unwrap();
        site.image(&root, "debian:latest", &base);
        fs::remove_file(root.join("Dockerfile")).unwrap();
    }
    let text = "FROM debian\nCOPY debs/*.deb /debs/\nRUN dpkg --force-all --unpack /debs/*.deb && rm -r /debs\n";
    site.context("dpkg", text, |dir| {
        let debs = dir.join("debs");
        fs::create_dir(&debs).unwrap();
        let mut command = program("apt-get", &["download", "-qq"]);
        command.args(PACKAGES.split_whitespace());
        assert!(command.current_dir(debs).status().unwrap().success());
    });
}

fn stages50(site: &Site) {
    let mut text = String::from("FROM busybox AS base\nRUN mkdir /out\n");
    for branch in 0..36 {
        let _infallible = write!(text, "FROM base AS branch{branch}\nRUN sleep 0.2 && echo {branch} > /out/{branch}\n");
    }
    for join in 0..12 {
        let _infallible = writeln!(text, "FROM base AS join{join}");
        for branch in 0..3 {
            let branch = join * 3 + branch;
            let _infallible = writeln!(text, "COPY --from=branch{branch} /out/{branch} /out/");
        }
        let _infallible = writeln!(text, "RUN cat /out/* > /joined{join}");
    }
    text.push_str("FROM base\n");
    for join in 0..12 {
        let _infallible = writeln!(text, "COPY --from=join{join} /joined{join} /");
    }
    site.context("stages50", &text, |_| {});
}

fn long300(site: &Site) {
    let mut text = String::from("FROM scratch\nENV V0=start E0=0\n");
    for number in 1..site.scaled(300) {
        let _infallible = match number % 4 {
            0 => writeln!(text, "LABEL l{number}=\"$V0 ${{A{}:-none}}\"", number - 1),
            1 => writeln!(text, "ENV E{number}=${{V0%t}}x E0=${{E0}}.{number}"),
            2 => writeln!(text, "EXPOSE {number}/udp"),
            _ => writeln!(text, "ARG A{number}=${{V0/s/S}}"),
        };
    }
    site.context("long300", &text, |_| {});
}

fn bigfile(site: &Site) {
    site.context("bigfile", "FROM scratch\nCOPY big /big\n", |dir| {
        use std::io::Write as _;
        let mut text = Text(4);
        let mut file = fs::File::create(dir.join("big")).unwrap();
        for _ in 0..site.scaled(40_000) {
            let noise: Vec<u8> = (0..64 << 7).flat_map(|_| text.number(1 << 31).to_le_bytes()).collect();
            file.write_all(&noise[..64 << 10]).unwrap();
            file.write_all(text.of_length(64 << 10).as_bytes()).unwrap();
        }
    });
}

fn million(site: &Site) {
    site.context("million", "FROM scratch\nCOPY . /\n", |dir| {
        for number in 0..site.scaled(1_000_000) {
            let below = dir.join(format!("d{}", number / 1000));
            if number % 1000 == 0 {
                fs::create_dir(&below).unwrap();
            }
            fs::write(below.join(number.to_string()), number.to_string()).unwrap();
        }
    });
}
