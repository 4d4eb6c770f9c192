use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Instant;

use crate::dockerfile::{self, Severity};
use crate::exec::{self, Built, ExecError, Packing, Settings};
use crate::image::{Compression, Reference, Wire};
use crate::output::{self, Image, OutputKind, OutputSpec};
use crate::plan::Plan;
use crate::progress::{self, Cancel, Event, SharedSink, TaskId};
use crate::share::Shared;
use crate::store::{Store, StoreError};
use crate::transfer::{self, Transfer};

use super::evaluate::{Evaluation, Extent, Purpose, evaluate, registry, resolver};
use super::fetch::Fetcher;
use super::inputs::Outside;
use super::known::Known;
use super::layers::Layers;
use super::{BuildError, BuiltImage, Options, Outcome, SourceText};
use super::{frontend, sharing, source};

/// Ids of the tasks that write outputs: apart from those of the steps.
const FIRST_TASK: u32 = 3_000_000;

/// Stages at once, for each core: a step that waits holds none.
const STAGES_PER_CORE: usize = 16;

/// Carries out one build: reads, plans, runs what the cache does not know, and writes the outputs.
///
/// # Errors
/// See [`BuildError`]; whatever fails, no output is left half-written.
pub fn run(options: &Options, sink: &SharedSink, cancel: &Cancel) -> Result<Outcome, BuildError> {
    let began = Instant::now();
    let failed = |source| StoreError::Io { path: options.store.clone(), source };
    let store = Arc::new(Store::open(&options.store)?.stopped_by(cancel).attended().map_err(failed)?);
    let fetcher = Fetcher::new(&store, options, sink, cancel)?;
    let sources = source::open(options, &fetcher)?;
    let parsed = dockerfile::parse(&sources.bytes);
    let text = sources.text(&parsed.file.text);
    let failed = |diagnostics| BuildError::Dockerfile { source_text: text.clone(), diagnostics };
    if parsed.diagnostics.iter().any(|found| found.severity == Severity::Error) {
        return Err(failed(parsed.diagnostics));
    }
    if let Some(text) = frontend::not_run(&parsed.file, &options.build_args) {
        sink.event(Event::Warning(text));
    }
    let threads = threads();
    let registry = registry(options);
    let resolver = resolver(options, &store, &registry, Purpose::Build, sources.locks(options)?, sink)?;
    let known = Known { resolver: &resolver, fetcher: &fetcher, main: sources.time };
    let Evaluation { plan, warnings, violation } =
        evaluate(&parsed.file, options, Extent::Target, &sources.context, &known);
    let plan = plan.map_err(&failed)?;
    if let Some(violation) = violation {
        return Err(failed(warnings.into_iter().chain([violation]).collect()));
    }
    if cancel.is_set() {
        return Err(BuildError::Cancelled);
    }

    let settings = settings(options, &plan, threads, sink);
    let outside = Outside::new(&resolver, &fetcher, &sources.context, threads, sink);
    let transfer = Transfer::new(Arc::clone(&store), Arc::clone(&registry), Arc::clone(sink), cancel.clone());
    let shared = sharing::open(options, &registry, &store, sink, cancel);
    let once = || {
        let result = exec::execute(&plan, &outside, &store, shared.as_ref(), &settings, sink, cancel);
        if result.is_err() {
            // What a failed build has read need not be read again either.
            exec::Inputs::remember(&outside);
        }
        let built = result.map_err(|error| match error {
            // What fails after that may fail because of it.
            _ if cancel.is_set() => BuildError::Cancelled,
            ExecError::Step(found) => failed(vec![*found]),
            ExecError::Exhausted(found) => {
                BuildError::Exhausted { source_text: text.clone(), diagnostics: vec![*found] }
            }
            ExecError::Cancelled => BuildError::Cancelled,
            ExecError::Io(source) => BuildError::Machine { doing: "carry out the build".to_owned(), source },
        })?;
        let counts = (built.cached, built.ran);
        let outcome = export(options, &plan, built, &settings, shared.as_ref(), &store, &transfer, sink, cancel)?;
        Ok((outcome, counts))
    };
    let (outcome, (cached, ran)) = sharing::carry_out(shared.as_ref(), cancel, once)?;
    sink.event(Event::Summary { cached, ran, took: began.elapsed() });
    Ok(Outcome { warnings, source: text, ..outcome })
}

/// How many threads may work at once.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

fn settings(options: &Options, plan: &Plan, threads: usize, sink: &SharedSink) -> Settings {
    let rewrites = options.outputs.iter().any(|output| output.rewrite_timestamp);
    if rewrites && plan.epoch.is_none() {
        // TIME-4
        let text = "`rewrite-timestamp` has no effect without SOURCE_DATE_EPOCH".to_owned();
        sink.event(Event::Warning(text));
    }
    let chosen = options.outputs.iter().find(|output| output.compression.is_some() || output.level.is_some());
    let compression = chosen.and_then(|output| output.compression).unwrap_or(Compression::Gzip);
    let hostname = options.build_args.get("BUILDKIT_SANDBOX_HOSTNAME");
    Settings {
        isolation: options.isolation,
        jobs: options.jobs.unwrap_or(threads * STAGES_PER_CORE),
        threads,
        no_cache: options.no_cache,
        offline: options.offline,
        no_cache_filter: options.no_cache_filter.clone(),
        packing: Packing { compression, level: chosen.and_then(|output| output.level), threads },
        blobs: match &options.outputs[..] {
            [] => true,
            outputs if outputs.iter().all(|output| output.kind == OutputKind::Nothing) => false,
            outputs => !options.tags.is_empty() || outputs.iter().any(|output| output.kind.is_image()),
        },
        hostname: hostname.cloned().unwrap_or_else(|| "buildkitsandbox".to_owned()),
        hosts: options.hosts.clone(),
        shm_size: options.shm_size,
        limits: options.limits.clone(),
        resources: options.resources.clone(),
        allow_network_host: options.allow_network_host,
        allow_insecure: options.allow_insecure,
        requested: options.platform.clone(),
        clamp: plan.epoch.filter(|_| rewrites),
        now: options.now,
    }
}

/// Keeps the image in the store, writes every output, and pushes what is to be pushed.
#[expect(clippy::too_many_arguments, reason = "all that a build has, each once")]
fn export(
    options: &Options,
    plan: &Plan,
    built: Built,
    settings: &Settings,
    shared: Option<&Shared>,
    store: &Store,
    transfer: &Transfer,
    sink: &SharedSink,
    cancel: &Cancel,
) -> Result<Outcome, BuildError> {
    let failed = |source: io::Error| BuildError::Machine { doing: "store the image".to_owned(), source };
    let only_pushed = !options.outputs.is_empty() && options.outputs.iter().all(|output| output.push);
    let layers = Layers { store, built: &built.layers, packing: settings.packing, only_pushed };
    let root = built.root;
    let mut config = built.config;
    config.cache = shared.and_then(Shared::inline_field);
    let mut image = Image {
        config,
        layers: if settings.blobs { layers.blobs().map_err(failed)? } else { Vec::new() },
        names: options.tags.clone(),
        created: plan.epoch.unwrap_or(settings.now),
        root: Box::new(move || root.get()),
        epoch: plan.epoch,
    };
    let mut made = None;
    let mut metadata = serde_json::json!({});
    let named = options.outputs.iter().flat_map(|output| &output.names);
    let names: Vec<Reference> = options.tags.iter().chain(named).cloned().collect();
    if settings.blobs {
        let stored = output::store_image(store, &image, Wire::Oci).map_err(failed)?;
        for name in &options.tags {
            store.tag(name, &stored.manifest).map_err(failed)?;
        }
        made = Some(BuiltImage { id: stored.config.digest, manifest: stored.manifest.digest });
        metadata = output::metadata(&stored, &names, image.created);
    }
    for (number, spec) in (FIRST_TASK..).zip(&options.outputs) {
        if cancel.is_set() {
            return Err(BuildError::Cancelled);
        }
        if spec.kind.is_image() {
            image.layers = layers.blobs_for(spec).map_err(failed)?;
            // Of several outputs the last one is told of.
            metadata = output::metadata(&output::stored_for(spec, &image, store)?, &names, image.created);
        }
        let (task, began) = (TaskId(number), Instant::now());
        sink.event(Event::Start { task, name: format!("export {spec}") });
        let result = output::write(spec, &image, store);
        let outcome = if result.is_ok() { progress::Outcome::Done } else { progress::Outcome::Failed };
        sink.event(Event::End { task, outcome, took: began.elapsed() });
        result?;
        if spec.push {
            push(spec, &image, store, transfer)?;
        }
    }
    Ok(Outcome { image: made, metadata, warnings: Vec::new(), source: SourceText::default() })
}

/// Sends an output to the registries of its names.
fn push(spec: &OutputSpec, image: &Image<'_>, store: &Store, transfer: &Transfer) -> Result<(), BuildError> {
    let stored = output::stored_for(spec, image, store)?;
    let names = if spec.names.is_empty() { &image.names } else { &spec.names };
    let by_digest = |name: &Reference| name.with_digest(&stored.manifest.digest);
    let names = if spec.by_digest { names.iter().map(by_digest).collect() } else { names.clone() };
    transfer.push(&stored.manifest, &names).map_err(|error| match error {
        transfer::Error::Cancelled => BuildError::Cancelled,
        error => error.into(),
    })
}
