//! Draws what was seen.

use std::time::{Duration, SystemTime};

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Paragraph, Row, Sparkline, Table, Wrap};

use super::history::{History, last};
use super::look::{Look, ServerLook};
use super::sorting::Sorting;
use super::tables;

/// Everything that is drawn.
pub(super) struct Scene {
    pub(super) look: Option<Look>,
    pub(super) history: History,
    pub(super) sorting: Sorting,
    pub(super) paused: bool,
    pub(super) scrolled: usize,
    pub(super) long: Duration,
    /// `NO_COLOR` is not set.
    pub(super) colours: bool,
}

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

impl Scene {
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let parts = Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]);
        let [head, body, foot] = parts.areas(frame.area());
        frame.render_widget(Paragraph::new(self.head()).style(BOLD), head);
        match &self.look {
            None => frame.render_widget(Paragraph::new("looking ..."), body),
            Some(look) => self.draw_look(frame, body, look),
        }
        frame.render_widget(Paragraph::new(KEYS).style(Style::new().add_modifier(Modifier::DIM)), foot);
    }

    fn head(&self) -> String {
        let Some(look) = &self.look else { return "holdfast watch".to_owned() };
        let age = SystemTime::now().duration_since(look.at).unwrap_or_default();
        let paused = if self.paused { "  PAUSED" } else { "" };
        format!("holdfast watch  {} ago{paused}", tables::seconds(age))
    }

    fn draw_look(&self, frame: &mut Frame<'_>, area: Rect, look: &Look) {
        match (&look.server, look.pools.is_empty()) {
            (Some(server), true) => self.draw_server(frame, area, server),
            (None, _) => self.draw_pools(frame, area, look),
            (Some(server), false) => {
                let rows = u16::try_from(look.pools.len()).unwrap_or(u16::MAX).saturating_add(12);
                let [above, below] =
                    Layout::vertical([Constraint::Length(rows.min(area.height / 2)), Constraint::Min(0)])
                        .areas(area);
                self.draw_pools(frame, above, look);
                self.draw_server(frame, below, server);
            }
        }
    }

    fn draw_server(&self, frame: &mut Frame<'_>, area: Rect, server: &Result<ServerLook, String>) {
        let server = match server {
            Ok(server) => server,
            Err(error) => {
                let text = format!("The database does not answer: {}", tables::visible(error, "-"));
                let said = Paragraph::new(text).wrap(Wrap { trim: true }).style(self.colour(Color::Red));
                frame.render_widget(said, area);
                return;
            }
        };
        let (fleet, lasting) = (server.fleet(), tables::lasting(server, self.long));
        let height = |rows: usize| Constraint::Length(if rows == 0 { 0 } else { (rows.min(8) + 2) as u16 });
        let [summary, lines, groups, pools, long] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(5),
            Constraint::Min(4),
            height(fleet.len()),
            height(lasting.len()),
        ])
        .areas(area);
        frame.render_widget(Paragraph::new(tables::summary(server)), summary);
        let [left, right] = Layout::horizontal([Constraint::Fill(1); 2]).areas(lines);
        self.draw_line(frame, left, "slots used", &self.history.used, Some(u64::from(server.slots())));
        self.draw_line(frame, right, "active statements", &self.history.active, None);
        self.draw_groups(frame, groups, "Sessions", tables::groups(server.groups(), self.sorting));
        if !fleet.is_empty() {
            self.draw_groups(frame, pools, "The fleet", tables::groups(fleet, self.sorting));
        }
        let lasting: Vec<_> = lasting.into_iter().map(Line::from).collect();
        let block = Block::new().borders(Borders::TOP).title("Lasting");
        frame.render_widget(Paragraph::new(lasting).block(block).style(self.colour(Color::Yellow)), long);
    }

    fn draw_groups(&self, frame: &mut Frame<'_>, area: Rect, title: &str, rows: Vec<[String; 8]>) {
        let mut header = tables::GROUPS.map(str::to_owned);
        header[self.sorting.column()].insert(0, '>');
        let widths = [9, 7, 6, 6, 7, 10, 16].map(Constraint::Length);
        let widths = widths.into_iter().chain([Constraint::Min(20)]);
        // Never beyond the last row.
        let from = self.scrolled.min(rows.len().saturating_sub(1));
        let table = Table::new(rows.into_iter().skip(from).map(Row::new), widths)
            .header(Row::new(header).style(BOLD))
            .block(Block::new().borders(Borders::TOP).title(title.to_owned()));
        frame.render_widget(table, area);
    }

    fn draw_pools(&self, frame: &mut Frame<'_>, area: Rect, look: &Look) {
        let rows = tables::pools(&look.pools);
        let table_height = (rows.len() + 2).min(usize::from(area.height)) as u16;
        let [lines, pools, alerts] =
            Layout::vertical([Constraint::Length(5), Constraint::Length(table_height), Constraint::Min(0)])
                .areas(area);
        let [left, right] = Layout::horizontal([Constraint::Fill(1); 2]).areas(lines);
        let limit: f64 = look.pools.iter().map(|pool| pool.figure("/connections/limit").max(0.0)).sum();
        self.draw_line(frame, left, "connections in use", &self.history.in_use, Some(limit as u64));
        self.draw_line(frame, right, "callers waiting", &self.history.waiting, None);
        let widths = [7, 6, 8, 8, 7, 11, 9, 10].map(Constraint::Length);
        let table =
            Table::new(rows.into_iter().map(Row::new), widths.into_iter().chain([Constraint::Min(20)]))
                .header(Row::new(tables::POOLS).style(BOLD))
                .block(Block::new().borders(Borders::TOP).title("Pools"));
        frame.render_widget(table, pools);
        let said: Vec<_> = tables::alerts(&look.pools).into_iter().map(Line::from).collect();
        frame.render_widget(
            Paragraph::new(said).wrap(Wrap { trim: true }).style(self.colour(Color::Yellow)),
            alerts,
        );
    }

    fn draw_line(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        title: &str,
        figures: &std::collections::VecDeque<u64>,
        of: Option<u64>,
    ) {
        let now = figures.back().copied().unwrap_or_default();
        let title = match of {
            Some(of) => format!("{title}: {now} of {of}"),
            None => format!("{title}: {now}"),
        };
        let shown = last(figures, area.width);
        let highest = shown.iter().copied().chain(of).max().unwrap_or_default().max(1);
        let line = Sparkline::default()
            .block(Block::new().borders(Borders::TOP).title(title))
            .data(shown)
            .max(highest)
            .style(self.colour(Color::Cyan));
        frame.render_widget(line, area);
    }

    fn colour(&self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }
}

const KEYS: &str = "q quit   p pause   s or left/right: sort by   r: turn round   up/down: scroll";
