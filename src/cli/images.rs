use serde_json::json;

use crate::image::{Reference, seconds_of};
use crate::images::{self, Listed};

use super::failure::Failure;
use super::image_args::{Format, ImagesArgs};
use super::surroundings::Surroundings;
use super::table::{age, lines, short, size, table};
use super::{options, out, session, values};

/// `kiln images`.
pub(super) fn run(args: &ImagesArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let wanted = args.name.as_deref().map(Wanted::parse).transpose()?;
    let store = session::store(&args.store, around)?;
    let mut all = images::list(&store)?;
    all.retain(|image| wanted.as_ref().is_none_or(|wanted| wanted.fits(&image.name)));
    let text = match args.format {
        Format::Json => format!("{:#}\n", all.iter().map(object).collect::<serde_json::Value>()),
        Format::Text if args.quiet => ids(&all),
        Format::Text => {
            let titles = ["REPOSITORY", "TAG", "IMAGE ID", "PLATFORM", "CREATED", "SIZE"];
            let rows: Vec<_> = all.iter().map(|image| row(image, options::now())).collect();
            if rows.is_empty() { titles.join("   ") + "\n" } else { table(&titles, rows) }
        }
    };
    out::result(&text)
}

/// A name with a tag, or a repository.
struct Wanted {
    name: Reference,
    tagged: bool,
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, Failure> {
        let name = values::image_name(text)?;
        let tagged = text.contains('@') || text.rsplit('/').next().is_some_and(|last| last.contains(':'));
        Ok(Self { name, tagged })
    }

    fn fits(&self, name: &Reference) -> bool {
        if self.tagged { self.name == *name } else { self.name.place() == name.place() }
    }
}

/// Each once, in the order of the list.
fn ids(all: &[Listed]) -> String {
    let mut ids: Vec<String> = Vec::new();
    for image in all {
        let id = short(&image.id.unwrap_or(image.top.digest));
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    lines(ids)
}

fn row(image: &Listed, now: i64) -> Vec<String> {
    let familiar = image.name.familiar();
    let (repository, tag) = match familiar.split_once('@') {
        Some((repository, _)) => (repository.to_owned(), "<none>".to_owned()),
        None => {
            let (repository, tag) = familiar.rsplit_once(':').unwrap_or((&familiar, "<none>"));
            (repository.to_owned(), tag.to_owned())
        }
    };
    let created = image.created.as_deref().and_then(seconds_of);
    vec![
        repository,
        tag,
        image.id.map_or_else(|| "<absent>".to_owned(), |id| short(&id)),
        image.platforms.join(","),
        created.map_or_else(String::new, |created| age(created, now)),
        size(image.size),
    ]
}

fn object(image: &Listed) -> serde_json::Value {
    json!({
        "name": image.name.to_string(),
        "repository": image.name.place(),
        "tag": image.name.tag(),
        "id": image.id,
        "digest": image.top.digest,
        "platforms": image.platforms,
        "created": image.created,
        "size": image.size,
    })
}
