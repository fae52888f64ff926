//! The state: everything that is on the screen, as data.

mod editor;
mod letters;
mod list;
mod live;
mod queues;
mod trace;
mod tree;

use std::ops::Range;

use bloodbank_client::{EventDetails, SchemaField};
use bloodbank_core::{Registry, registry::EventDescriptor};
use chrono::{DateTime, Utc};
use ratatui::layout::Rect;
use serde_json::Value;
use uuid::Uuid;

pub(crate) use self::{
    editor::Editor,
    letters::{LetterRow, Letters},
    list::Selection,
    live::{Live, MOST, RATE_SECONDS},
    queues::Queues,
    trace::{Trace, TraceRow},
    tree::{Tree, TreeRow},
};
use crate::{
    document::Document,
    layout,
    message::{Effect, LetterId, Link},
    options::Options,
    text::pretty,
};

/// A view of the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Events,
    Live,
    Trace,
    DeadLetters,
    Queues,
}

impl View {
    pub(crate) const ALL: [Self; 5] = [Self::Events, Self::Live, Self::Trace, Self::DeadLetters, Self::Queues];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Events => "Events",
            Self::Live => "Live",
            Self::Trace => "Trace",
            Self::DeadLetters => "Dead letters",
            Self::Queues => "Queues",
        }
    }

    /// What stands on the tab of each view, with its columns on the screen.
    pub(crate) fn tabs() -> impl Iterator<Item = (Self, Range<u16>)> {
        let mut begin = 0;
        Self::ALL.into_iter().map(move |view| {
            let width = u16::try_from(view.tab().len()).unwrap_or(u16::MAX);
            let columns = begin..begin + width;
            begin = columns.end;
            (view, columns)
        })
    }

    /// The tab of the view.
    pub(crate) fn tab(self) -> String {
        format!(" {} {} ", self as usize + 1, self.title())
    }
}

/// The part of the events that keys go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Focus {
    Tree,
    Schema,
    Editor,
}

/// What lies over the view.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Overlay {
    Help(Document),
    Document(Document),
    /// A question, and what is done when the answer is yes.
    Confirm {
        question: Document,
        effect: Box<Effect>,
    },
}

/// A sentence about what was just done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) is_bad: bool,
}

/// Everything that is on the screen.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) options: Options,
    pub(crate) width: u16,
    pub(crate) height: u16,
    pub(crate) now: DateTime<Utc>,
    pub(crate) view: View,
    pub(crate) focus: Focus,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) link: Link,
    pub(crate) notice: Option<Notice>,
    pub(crate) tree: Tree,
    /// The event whose schema and payload are shown.
    pub(crate) event: Option<&'static EventDescriptor>,
    /// What its declaration says.
    pub(crate) details: Option<EventDetails>,
    pub(crate) schema: Document,
    pub(crate) fields: Vec<SchemaField>,
    pub(crate) editor: Editor,
    /// The dead letter that the payload in the editor replaces.
    pub(crate) replaces: Option<LetterId>,
    /// The event that was published last.
    pub(crate) last_published: Option<Uuid>,
    pub(crate) live: Live,
    pub(crate) trace: Trace,
    pub(crate) letters: Letters,
    pub(crate) queues: Queues,
    /// Whether the screen no longer shows the state.
    pub(crate) is_changed: bool,
}

impl State {
    pub(crate) fn new(registry: &'static Registry, options: Options, now: DateTime<Utc>) -> Self {
        let mut state = Self {
            options,
            width: layout::SMALLEST.0,
            height: layout::SMALLEST.1,
            now,
            view: View::Events,
            focus: Focus::Tree,
            overlay: None,
            link: Link::Connecting,
            notice: None,
            tree: Tree::of(registry),
            event: None,
            details: None,
            schema: Document::default(),
            fields: Vec::new(),
            editor: Editor::default(),
            replaces: None,
            last_published: None,
            live: Live::default(),
            trace: Trace::default(),
            letters: Letters::default(),
            queues: Queues::default(),
            is_changed: true,
        };
        state.show_selected();
        state
    }

    /// Where the view is drawn.
    pub(crate) fn frame(&self) -> layout::Frame {
        layout::frame(Rect::new(0, 0, self.width, self.height))
    }

    /// Shows the event that is selected in the tree, unless it is shown already.
    pub(crate) fn show_selected(&mut self) {
        if let Some(event) = self.tree.selected_event()
            && self.event.is_none_or(|shown| shown.routing_key() != event.routing_key())
        {
            self.show(event);
            self.editor.mock(event);
        }
    }

    /// Shows an event, with a payload for it in the editor.
    pub(crate) fn show_with_payload(&mut self, event: &'static EventDescriptor, payload: &Value) {
        self.tree.select(event.routing_key());
        self.show(event);
        self.editor.set(&pretty(payload), event);
    }

    fn show(&mut self, event: &'static EventDescriptor) {
        let details = EventDetails::of(event);
        self.fields = SchemaField::all(&details.schema);
        self.schema = Document { lines: self.fields.iter().map(|_| String::new()).collect(), ..Document::default() };
        self.details = Some(details);
        self.event = Some(event);
        self.replaces = None;
    }

    pub(crate) fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), is_bad: false });
    }

    pub(crate) fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), is_bad: true });
    }
}
