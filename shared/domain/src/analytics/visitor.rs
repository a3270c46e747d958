//! Who visited: the thread that leads from one fact to another.

use std::collections::HashMap;

use super::facts::{CartFact, GenerationFact, Identity};

/// One visitor, as far as anything tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Visitor<'a> {
    /// Of this session.
    Session(&'a str),
    /// The customer of this id, where no session is named.
    Customer(&'a str),
    /// The customer of this address, where neither is named.
    Email(&'a str),
    /// Whoever generated this image, where nothing else tells who that was.
    Image(&'a str),
    /// Whoever this event or this generation is of: of nobody else is anything known.
    Unknown(&'a str),
}

/// A fact that names somebody: its time and its id.
type Place<'a> = (&'a str, &'a str);

/// Whose the images of facts are that name nobody themselves.
#[derive(Debug, Default)]
pub(super) struct Visitors<'a> {
    images: HashMap<&'a str, Option<(Place<'a>, Visitor<'a>)>>,
}

impl<'a> Visitors<'a> {
    /// Looks for those who made the images of nameless facts. Where facts of several visitors name one image, it is the
    /// first one's.
    pub(super) fn of(
        events: impl Iterator<Item = CartFact<'a>> + Clone,
        generations: impl Iterator<Item = GenerationFact<'a>> + Clone,
    ) -> Self {
        let all = || {
            let events = events
                .clone()
                .map(|event| ((event.created_at, event.id), event.identity));
            let generations = generations
                .clone()
                .map(|one| ((one.created_at, one.id), one.identity));
            events.chain(generations)
        };
        let nameless = all().filter(|(_, identity)| named(identity).is_none());
        let mut images: HashMap<_, Option<(Place<'a>, Visitor<'a>)>> = nameless
            .filter_map(|(_, identity)| Some((identity.image_key?, None)))
            .collect();
        if images.is_empty() {
            return Self::default();
        }
        for (place, identity) in all() {
            let Some(visitor) = named(&identity) else {
                continue;
            };
            let image = identity.image_key.and_then(|image| images.get_mut(image));
            if let Some(first) = image
                && first.is_none_or(|(earlier, _)| place < earlier)
            {
                *first = Some((place, visitor));
            }
        }
        Self { images }
    }

    pub(super) fn of_event(&self, event: &CartFact<'a>) -> Visitor<'a> {
        self.find(event.id, &event.identity)
    }

    pub(super) fn of_generation(&self, generation: &GenerationFact<'a>) -> Visitor<'a> {
        self.find(generation.id, &generation.identity)
    }

    fn find(&self, id: &'a str, identity: &Identity<'a>) -> Visitor<'a> {
        let by_image = || {
            let image = identity.image_key?;
            let first = self.images.get(image).copied().flatten();
            Some(first.map_or(Visitor::Image(image), |(_, visitor)| visitor))
        };
        named(identity)
            .or_else(by_image)
            .unwrap_or(Visitor::Unknown(id))
    }
}

/// Whom a fact itself names.
fn named<'a>(identity: &Identity<'a>) -> Option<Visitor<'a>> {
    let session = identity.session_id.map(Visitor::Session);
    session
        .or(identity.customer_id.map(Visitor::Customer))
        .or(identity.customer_email.map(Visitor::Email))
}
