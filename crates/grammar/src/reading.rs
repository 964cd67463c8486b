//! Reads a sentence as a question about one table. Every word must have its place in the question, or
//! mean nothing: else the question that is answered would not be the one that was asked.

use chrono::NaiveDate;
use metricd_core::schema::ColumnKind;

use super::{
    dates::Period,
    lexicon::{Aggregate, Bucket, Comparison, Direction, Term, lexicon},
    parts::{Item, Part, parts},
    question::{Filter, Group, Measure, Question, Rank},
    sql::LIST_ROWS,
    tokens::{Token, stem, words_of},
    vocabulary::Vocabulary,
};

/// The rows of a ranking that nobody said a number for.
const RANKED_ROWS: u32 = 10;

/// How a sentence reads with one table.
pub(crate) struct Reading<'a> {
    pub(crate) question: Question<'a>,
    /// How much of the table's name is said: 0 when nothing is.
    pub(crate) named: u32,
    /// How many names of columns and values are said.
    pub(crate) grounds: usize,
    /// The parts that the sentence was cut into: fewer say more.
    pub(crate) parts: usize,
}

/// Why a sentence cannot be read with a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    /// The words without a place.
    pub(crate) words: Vec<String>,
    /// What is wrong, when every word is known.
    pub(crate) reason: Option<String>,
    pub(crate) named: u32,
    pub(crate) grounds: usize,
}

/// Reads `tokens` as a question about the table of `vocabulary`.
pub(crate) fn read<'a>(
    vocabulary: &Vocabulary<'a>,
    tokens: &[Token],
    today: NaiveDate,
) -> Result<Reading<'a>, Gap> {
    let mut reader = Reader::new(vocabulary, parts(vocabulary, tokens, today), tokens);
    let mut at = 0;
    while at < reader.parts.len() {
        at = reader.part(at);
    }
    reader.finish()
}

/// An aggregate that waits for its measure.
#[derive(Debug, Clone, Copy)]
struct Pending {
    /// `None` counts.
    aggregate: Option<Aggregate>,
    /// Of `highest`, which may rank instead.
    extreme: Option<Direction>,
    part: usize,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that a sentence may have said"
)]
struct Reader<'v, 'a> {
    vocabulary: &'v Vocabulary<'a>,
    parts: Vec<Part>,
    tokens: &'v [Token],
    pending: Vec<Pending>,
    measures: Vec<Measure>,
    /// Whether the sentence says what to do with the measure.
    is_explicit: bool,
    is_share: bool,
    is_list: bool,
    distinct: Option<usize>,
    groups: Vec<Group>,
    /// Whether what comes next is grouped by.
    by: bool,
    /// A group, if something asks for one later: `teams with more than …`.
    subject: Option<(Group, usize)>,
    is_which: bool,
    filters: Vec<(Filter, bool)>,
    /// Whether filters are now what a share is of.
    in_clause: bool,
    not: Option<usize>,
    /// The column of the value that "not" was before.
    not_of: Option<usize>,
    with: Option<usize>,
    or: Option<usize>,
    having: Option<(Comparison, String)>,
    top: Option<(Direction, Option<u32>)>,
    top_number: Option<u32>,
    most: Option<Direction>,
    /// Rows are listed by their days.
    is_recent: bool,
    /// Whether a group is one of `per` rather than `by`.
    is_per: bool,
    /// An average or extreme of what is said of sums.
    flow: Option<usize>,
    is_plural: bool,
    has_alert: bool,
    date: Option<usize>,
    period: Option<Period>,
    named: u32,
    grounds: usize,
    gaps: Vec<usize>,
    reason: Option<String>,
}

impl<'v, 'a> Reader<'v, 'a> {
    fn new(vocabulary: &'v Vocabulary<'a>, parts: Vec<Part>, tokens: &'v [Token]) -> Self {
        Self {
            vocabulary,
            parts,
            tokens,
            pending: Vec::new(),
            measures: Vec::new(),
            is_explicit: false,
            is_share: false,
            is_list: false,
            distinct: None,
            groups: Vec::new(),
            by: false,
            subject: None,
            is_which: false,
            filters: Vec::new(),
            in_clause: false,
            not: None,
            not_of: None,
            with: None,
            or: None,
            having: None,
            top: None,
            top_number: None,
            most: None,
            is_recent: false,
            is_per: false,
            flow: None,
            is_plural: false,
            has_alert: false,
            date: None,
            period: None,
            named: 0,
            grounds: 0,
            gaps: Vec::new(),
            reason: None,
        }
    }

    /// The next part after `at` that means something.
    fn after(&self, at: usize) -> Option<usize> {
        let means = |index: &usize| means(&self.parts[*index].item);
        (at + 1..self.parts.len()).find(means)
    }

    fn item_after(&self, at: usize) -> Option<&Item> {
        self.after(at).map(|index| &self.parts[index].item)
    }

    fn item_before(&self, at: usize) -> Option<&Item> {
        self.parts[..at].iter().rev().map(|part| &part.item).find(|item| means(item))
    }

    fn gap(&mut self, part: usize) {
        self.gaps.push(part);
    }

    fn fail(&mut self, part: usize, reason: String) {
        self.gaps.push(part);
        self.reason.get_or_insert(reason);
    }

    /// Gives the part at `at` its place, and returns where to go on.
    fn part(&mut self, at: usize) -> usize {
        match self.parts[at].item.clone() {
            Item::Term(term) => return self.term(at, term),
            Item::Table(quality) => self.table(at, quality),
            Item::Columns(columns) => return self.columns(at, &columns),
            Item::Values(values) => return self.values(at, &values),
            Item::Period(period) => match self.period {
                None => self.period = Some(period),
                Some(_) => self.fail(at, "the sentence names two periods".to_owned()),
            },
            Item::Number(number) => self.number(at, &number),
            Item::Text(_) | Item::Unknown => self.gap(at),
        }
        at + 1
    }

    fn number(&mut self, at: usize, number: &str) {
        let ranks = |item: Option<&Item>| {
            matches!(
                item,
                Some(Item::Term(
                    Term::Top(_)
                        | Term::Recent
                        | Term::Extreme(_)
                        | Term::Most(_)
                        | Term::Common(_)
                ))
            )
        };
        let is_rank = ranks(self.item_after(at)) || ranks(self.item_before(at));
        match number.parse::<u32>() {
            Ok(number) if is_rank && (1..=1_000).contains(&number) => {
                self.top_number = Some(number);
            }
            _ => self.gap(at),
        }
    }

    fn term(&mut self, at: usize, term: Term) -> usize {
        match term {
            Term::Count => self.aggregate(at, None, None),
            Term::Aggregate(aggregate) => self.aggregate(at, Some(aggregate), None),
            Term::Share => {
                self.is_share = true;
                self.is_explicit = true;
            }
            Term::Distinct => self.distinct = Some(at),
            Term::Extreme(direction) => self.extreme(at, direction),
            Term::Most(direction) => {
                self.most = Some(direction);
                self.is_explicit = true;
            }
            Term::Common(direction) | Term::Top(direction) => self.top = Some((direction, None)),
            Term::Recent => {
                let next = self.after(at);
                let number = next.filter(|next| self.number_at(*next).is_some());
                let next = number.map_or(next, |number| self.after(number));
                if let Some(next) = next.and_then(|next| self.rows_from(next)) {
                    self.is_list = true;
                    self.is_recent = true;
                    self.is_plural |= self.is_plural_at(next);
                } else {
                    self.gap(at);
                }
            }
            Term::By => self.grouping(at),
            Term::BucketNoun(bucket) => self.bucket(at, bucket),
            Term::BucketGrouping(bucket) => {
                let averaged = self.pending.last().filter(|pending| {
                    !matches!(pending.aggregate, None | Some(Aggregate::Sum))
                        && self.after(pending.part) == Some(at)
                });
                if averaged.is_some() {
                    let unit = bucket.as_str();
                    self.fail(
                        at,
                        format!("no average or extreme of what each {unit} adds up to is known"),
                    );
                }
                self.is_per = true;
                self.group(Group::Time(bucket));
            }
            Term::Not | Term::Without => self.not = Some(at),
            Term::With => self.with = Some(at),
            Term::Have => self.having(at),
            Term::Compare(comparison) => return self.comparison(at, comparison),
            Term::And => {
                let groups_go_on = self.was_group(at)
                    && matches!(
                        self.item_after(at),
                        Some(Item::Columns(_) | Item::Term(Term::BucketNoun(_)))
                    );
                self.by |= groups_go_on;
            }
            Term::Or => {
                self.or = Some(at);
            }
            Term::Which => {
                self.is_which |= matches!(
                    self.item_after(at),
                    Some(Item::Columns(_) | Item::Term(Term::BucketNoun(_)))
                );
                // "Which orders were cancelled" asks for them; "what were the orders" for their number.
                self.is_list |= self.rows_from(at + 1).is_some();
            }
            // "What is the share" has no clause yet: nothing was said of what it would be about.
            Term::Clause => self.in_clause |= self.grounds > 0,
            Term::List => {
                if matches!(
                    self.item_after(at),
                    Some(Item::Table(_) | Item::Values(_) | Item::Columns(_))
                ) {
                    self.is_list = true;
                } else {
                    self.gap(at);
                }
            }
            Term::Alert => {
                self.has_alert = true;
                self.table(at, 2);
            }
            Term::Rows => self.rows(at),
            Term::Between => return self.range(at),
            Term::Currency(currency) => {
                let known = self.vocabulary.currencies();
                if !known.is_empty() && !known.contains(&currency) {
                    self.fail(at, "its numbers are of another currency".to_owned());
                }
            }
            Term::Metric | Term::Harmless => {}
        }
        at + 1
    }

    /// "How many orders have a discount"
    fn having(&mut self, at: usize) {
        let has = matches!(
            self.item_before(at),
            Some(Item::Table(_) | Item::Term(Term::Alert | Term::Rows))
        ) && matches!(
            self.item_after(at),
            Some(Item::Columns(columns)) if !columns.iter().any(|column| self.is_date(*column))
        );
        if has {
            self.with = Some(at);
        }
    }

    /// The part that the rows are called by, from `at` on, behind nothing but what they are like.
    fn rows_from(&self, at: usize) -> Option<usize> {
        let is_like = |item: &Item| match item {
            Item::Values(_) => true,
            Item::Columns(columns) => {
                columns.iter().all(|column| self.vocabulary.kind(*column) == ColumnKind::Boolean)
            }
            _ => false,
        };
        let found = (at..self.parts.len()).find(|index| !is_like(&self.parts[*index].item))?;
        let is_rows =
            matches!(self.parts[found].item, Item::Table(_) | Item::Term(Term::Alert | Term::Rows));
        is_rows.then_some(found)
    }

    fn aggregate(&mut self, at: usize, aggregate: Option<Aggregate>, extreme: Option<Direction>) {
        self.is_explicit = true;
        if let Some(last) = self.pending.last().copied() {
            let follows = self.after(last.part) == Some(at);
            match (last.extreme, last.aggregate, aggregate) {
                // "Highest number of orders" ranks.
                (Some(direction), _, _) if follows => {
                    self.pending.pop();
                    self.most = Some(direction);
                }
                // "Total number of", "count of total"
                (None, Some(Aggregate::Sum), None) if follows => {
                    self.pending.pop();
                }
                (None, None, Some(Aggregate::Sum)) if follows => return,
                // An average of counts is another question.
                (None, Some(_), None) if follows => self.gap(last.part),
                _ if self.named > 0 && matches!(last.aggregate, None | Some(Aggregate::Sum)) => {
                    self.pending.pop();
                    self.measure(Measure::Rows);
                }
                _ => {}
            }
        }
        self.pending.push(Pending { aggregate, extreme, part: at });
    }

    fn extreme(&mut self, at: usize, direction: Direction) {
        let ranks = match self.item_after(at) {
            Some(Item::Table(_) | Item::Number(_) | Item::Term(Term::BucketNoun(_))) => true,
            Some(Item::Columns(columns)) => !columns.iter().any(|column| self.is_measure(*column)),
            _ => false,
        };
        if ranks || self.top_number.is_some() {
            // "Highest reading value": the table only says whose value.
            let measure_follows = self.after(at).and_then(|next| self.item_after(next)).is_some_and(|item| {
                matches!(item, Item::Columns(columns) if columns.iter().any(|column| self.is_measure(*column)))
            });
            let is_table = matches!(self.item_after(at), Some(Item::Table(_)));
            if self.top_number.is_some() || !is_table || !measure_follows {
                self.top = Some((direction, None));
                return;
            }
        }
        let aggregate = match direction {
            Direction::Highest => Aggregate::Maximum,
            Direction::Lowest => Aggregate::Minimum,
        };
        let ranks_rows = matches!(self.item_before(at), Some(Item::Term(Term::With)));
        if ranks_rows && self.subject.is_none() && self.groups.is_empty() {
            self.fail(at, "it does not say of what the highest or lowest is meant".to_owned());
        }
        self.aggregate(at, Some(aggregate), Some(direction));
    }

    fn grouping(&mut self, at: usize) {
        let ranks = self.top.is_some() || self.is_list;
        let groups =
            match self.item_after(at) {
                Some(Item::Columns(columns)) => {
                    let measures = columns.iter().any(|column| self.is_measure(*column));
                    !(ranks && measures)
                }
                Some(Item::Term(Term::BucketNoun(_) | Term::Distinct)) => true,
                Some(
                    Item::Term(Term::Count | Term::Aggregate(_) | Term::Share) | Item::Table(_),
                ) if ranks => false,
                _ => {
                    self.gap(at);
                    false
                }
            };
        self.by = groups;
        let part = &self.parts[at];
        let mut words = self.tokens.iter().skip(part.start).take(part.taken);
        self.is_per |= words.any(|word| ["per", "each", "every"].contains(&word.text.as_str()));
    }

    fn was_group(&self, at: usize) -> bool {
        let group = match self.item_before(at) {
            Some(Item::Columns(columns)) => {
                return columns.iter().any(|column| self.groups.contains(&Group::Column(*column)));
            }
            Some(Item::Term(Term::BucketNoun(bucket))) => Group::Time(*bucket),
            _ => return false,
        };
        self.groups.contains(&group)
    }

    fn group(&mut self, group: Group) {
        if !self.groups.contains(&group) {
            self.groups.push(group);
        }
    }

    fn bucket(&mut self, at: usize, bucket: Bucket) {
        let ranks = self.ranked_here(at);
        if std::mem::take(&mut self.by) || ranks || self.which_here(at) {
            self.is_plural |= ranks && self.is_plural_at(at);
            self.group(Group::Time(bucket));
        } else if self.asks_for_subject(at) {
            self.subject = Some((Group::Time(bucket), at));
        } else {
            self.gap(at);
        }
    }

    fn which_here(&self, at: usize) -> bool {
        matches!(self.item_before(at), Some(Item::Term(Term::Which)))
    }

    /// Whether `top 5` or the like stands right before.
    fn ranked_here(&self, at: usize) -> bool {
        self.top.is_some()
            && matches!(
                self.item_before(at),
                Some(
                    Item::Term(Term::Top(_) | Term::Extreme(_) | Term::Common(_)) | Item::Number(_)
                )
            )
    }

    fn is_plural_at(&self, at: usize) -> bool {
        let part = &self.parts[at];
        let last = self.tokens.get((part.start + part.taken).saturating_sub(1));
        last.is_some_and(|token| token.text.ends_with('s'))
    }

    /// Whether `with more than 5 …` or `with the highest …` follows.
    fn asks_for_subject(&self, at: usize) -> bool {
        let Some(next) = self.after(at) else {
            return false;
        };
        let asks = |item: Option<&Item>| {
            matches!(item, Some(Item::Term(Term::Compare(_) | Term::Extreme(_) | Term::Most(_))))
        };
        match self.parts[next].item {
            Item::Term(Term::With) => asks(self.item_after(next)),
            _ => asks(Some(&self.parts[next].item)),
        }
    }

    /// `more than 5` before what there are more of.
    fn comparison(&mut self, at: usize, comparison: Comparison) -> usize {
        let number = self.after(at).map(|index| (index, self.parts[index].item.clone()));
        let Some((index, Item::Number(number))) = number else {
            self.gap(at);
            return at + 1;
        };
        let next = self.after(index);
        match next.map(|next| self.parts[next].item.clone()) {
            Some(Item::Columns(columns)) => {
                if let (Some(column), Some(next)) = (self.one(&columns, Self::is_number), next) {
                    self.grounds += 1;
                    self.filter(Filter::Number { column, comparison, number }, at);
                    return next + 1;
                }
            }
            Some(Item::Table(quality)) => {
                self.named = self.named.max(quality);
                self.having = Some((comparison, number));
                return next.map_or(self.parts.len(), |next| next + 1);
            }
            Some(Item::Term(Term::Alert | Term::Rows)) => {
                self.has_alert |=
                    next.is_some_and(|next| self.parts[next].item == Item::Term(Term::Alert));
                self.named = self.named.max(u32::from(self.has_alert) * 2);
                self.having = Some((comparison, number));
                return next.map_or(self.parts.len(), |next| next + 1);
            }
            _ => {}
        }
        self.fail(at, format!("it does not say what is compared with {number}"));
        index + 1
    }

    /// `between 3 and 6` before what there are so many of.
    fn range(&mut self, at: usize) -> usize {
        let found = self.between(at).and_then(|(low, high, last)| {
            let next = self.after(last)?;
            let Item::Columns(columns) = &self.parts[next].item else {
                return None;
            };
            Some((Filter::Range { column: self.one(columns, Self::is_number)?, low, high }, next))
        });
        let Some((filter, last)) = found else {
            self.gap(at);
            return at + 1;
        };
        self.grounds += 1;
        self.filter(filter, at);
        last + 1
    }

    /// The numbers behind `between`, and where they end.
    fn between(&self, at: usize) -> Option<(String, String, usize)> {
        let low = self.after(at)?;
        let is_and = |and: &usize| self.parts[*and].item == Item::Term(Term::And);
        let and = self.after(low).filter(is_and)?;
        let high = self.after(and)?;
        Some((self.number_at(low)?, self.number_at(high)?, high))
    }

    fn table(&mut self, at: usize, quality: u32) {
        self.named = self.named.max(quality);
        if self.top.is_some() && self.groups.is_empty() && self.ranked_here(at) {
            self.is_list = true;
            self.is_plural |= self.is_plural_at(at);
            return;
        }
        self.rows(at);
    }

    /// What there are rows of is counted.
    fn rows(&mut self, at: usize) {
        let is_counted = self.pending.last().is_some_and(|pending| pending.aggregate.is_none());
        if is_counted && self.distinct.is_none() {
            self.pending.pop();
            self.measure(Measure::Rows);
        } else if self.top.is_some() && matches!(self.item_before(at), Some(Item::Term(Term::By))) {
            self.measure(Measure::Rows);
        }
    }

    fn measure(&mut self, measure: Measure) {
        if !self.measures.contains(&measure) {
            self.measures.push(measure);
        }
    }

    fn is_number(&self, column: usize) -> bool {
        self.vocabulary.kind(column) == ColumnKind::Number
    }

    fn is_measure(&self, column: usize) -> bool {
        self.is_number(column) && !self.vocabulary.is_key(column)
    }

    fn is_date(&self, column: usize) -> bool {
        self.vocabulary.is_date(column)
    }

    /// The one column that suits, if there is no other.
    fn one(&self, columns: &[usize], suits: impl Fn(&Self, usize) -> bool) -> Option<usize> {
        let mut suitable = columns.iter().copied().filter(|column| suits(self, *column));
        match (suitable.next(), suitable.next()) {
            (Some(column), None) => Some(column),
            _ => None,
        }
    }

    fn columns(&mut self, at: usize, columns: &[usize]) -> usize {
        self.grounds += 1;
        let by =
            std::mem::take(&mut self.by) || (self.was_group(at) && !self.measures_here(columns));
        if let Some(end) = self.compared(at, columns) {
            return end;
        }
        if by || self.ranked_here(at) || self.which_here(at) {
            self.group_by(at, columns);
            return at + 1;
        }
        // "Without a discount", "with a discount"
        let just_before =
            |part: Option<usize>| part.is_some_and(|part| self.after(part) == Some(at));
        let lacks = just_before(self.not);
        let has = just_before(self.with);
        if let Some(column) = self.one(columns, |r, c| r.vocabulary.kind(c) == ColumnKind::Boolean)
        {
            self.filter(Filter::Flag { column, negated: lacks }, at);
            self.not = self.not.filter(|_| !lacks);
            return at + 1;
        }
        if (lacks || (has && !self.asks_for_subject(at)))
            && let Some(column) = self.one(columns, |_, _| true)
        {
            // "Not shipped in June" may be shipped in May, or not at all.
            let is_of_period = matches!(self.item_after(at), Some(Item::Period(_)));
            if lacks && is_of_period && self.is_date(column) {
                self.fail(
                    at,
                    "it may be about rows without a day or about those of other days".to_owned(),
                );
            }
            self.filter(Filter::Missing { column, negated: !lacks }, at);
            self.not = self.not.filter(|_| !lacks);
            return at + 1;
        }
        if let Some(column) = self.one(columns, Self::is_date) {
            match self.date {
                Some(date) if date != column => {
                    self.fail(at, "the sentence is about the days of two columns".to_owned());
                }
                _ => self.date = Some(column),
            }
            return at + 1;
        }
        if let Some(column) = self.counted(columns) {
            self.measure(Measure::Distinct(column));
        } else if let Some(column) = self.one(columns, Self::is_measure) {
            self.measured(at, column);
        } else if self.asks_for_subject(at)
            && let Some(column) = self.one(columns, |_, _| true)
        {
            self.is_plural |= self.is_plural_at(at);
            self.subject = Some((Group::Column(column), at));
        } else {
            let names: Vec<&str> = columns
                .iter()
                .map(|column| self.vocabulary.table.columns[*column].name.as_str())
                .collect();
            if names.len() > 1 {
                self.fail(at, format!("it may be about {}", names.join(" or ")));
            } else {
                self.gap(at);
            }
        }
        at + 1
    }

    fn measures_here(&self, columns: &[usize]) -> bool {
        columns.iter().any(|column| self.is_measure(*column))
    }

    /// What is counted when it is a name that stands in rows: `how many customers`.
    fn counted(&mut self, columns: &[usize]) -> Option<usize> {
        let is_counted = self.pending.last().is_some_and(|pending| pending.aggregate.is_none());
        if !is_counted && self.distinct.is_none() {
            return None;
        }
        let column = self.one(columns, |reader, column| {
            reader.vocabulary.kind(column) == ColumnKind::Text || reader.vocabulary.is_key(column)
        })?;
        self.distinct = None;
        self.is_explicit = true;
        if is_counted {
            self.pending.pop();
        }
        Some(column)
    }

    fn group_by(&mut self, at: usize, columns: &[usize]) {
        self.is_plural |= self.is_plural_at(at);
        let one_of = |kinds: &[ColumnKind]| {
            self.one(columns, |reader, column| kinds.contains(&reader.vocabulary.kind(column)))
        };
        if let Some(column) = self.one(columns, Self::is_date) {
            self.date = Some(column);
            self.group(Group::Time(Bucket::Day));
        } else if let Some(column) = one_of(&[ColumnKind::Text, ColumnKind::Boolean])
            .or_else(|| one_of(&[ColumnKind::Number]))
            .filter(|column| !self.is_measure(*column) || self.is_whole(*column))
        {
            self.group(Group::Column(column));
        } else {
            self.gap(at);
        }
    }

    fn is_whole(&self, column: usize) -> bool {
        self.vocabulary.table.columns[column].ty.starts_with("int")
    }

    /// A column that is measured: what waits for it, or what is usual.
    fn measured(&mut self, at: usize, column: usize) {
        let usual = if lexicon().is_averaged(&self.vocabulary.stems_of(column)) {
            Aggregate::Average
        } else {
            Aggregate::Sum
        };
        if self.distinct.take().is_some() {
            self.pending.clear();
            self.measure(Measure::Distinct(column));
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        // "Total orders and revenue"
        if matches!(pending.as_slice(), [Pending { aggregate: Some(Aggregate::Sum), .. }])
            && self.names_rows_before(at)
        {
            self.measure(Measure::Rows);
        }
        if pending.is_empty() {
            self.measure(Measure::Of(usual, column));
        }
        let has_subject = self.is_which || self.subject.is_some();
        for Pending { aggregate, extreme, .. } in pending {
            let aggregate = match (aggregate, extreme) {
                (_, Some(direction)) if has_subject => {
                    self.most = Some(direction);
                    usual
                }
                (Some(aggregate), _) => aggregate,
                // How many parts, how much revenue.
                (None, _) => Aggregate::Sum,
            };
            let part = &self.parts[at];
            let mut words = self.tokens.iter().skip(part.start).take(part.taken);
            if aggregate != Aggregate::Sum && words.any(|word| lexicon().is_flow(&word.stem)) {
                self.flow = Some(at);
            }
            self.measure(Measure::Of(aggregate, column));
        }
    }

    /// Whether `… rows and` stands right before.
    fn names_rows_before(&self, at: usize) -> bool {
        let mut before =
            self.parts[..at].iter().rev().map(|part| &part.item).filter(|item| means(item));
        before.next() == Some(&Item::Term(Term::And))
            && matches!(before.next(), Some(Item::Table(_) | Item::Term(Term::Alert | Term::Rows)))
    }

    /// A column with what it is compared with, and where that ends.
    fn compared(&mut self, at: usize, columns: &[usize]) -> Option<usize> {
        let next = self.after(at)?;
        match self.parts[next].item.clone() {
            Item::Term(Term::Compare(comparison)) => {
                let column = self.one(columns, Self::is_number)?;
                let last = self.after(next)?;
                let number = self.number_at(last)?;
                self.filter(Filter::Number { column, comparison, number }, at);
                Some(last + 1)
            }
            Item::Term(Term::Between) => {
                let column = self.one(columns, Self::is_number)?;
                let (low, high, last) = self.between(next)?;
                self.filter(Filter::Range { column, low, high }, at);
                Some(last + 1)
            }
            Item::Number(number) => {
                let column = self.one(columns, Self::is_number)?;
                self.filter(Filter::Number { column, comparison: Comparison::Equal, number }, at);
                Some(next + 1)
            }
            Item::Text(value) => {
                let is_text =
                    |reader: &Self, column| reader.vocabulary.kind(column) == ColumnKind::Text;
                let column = self.one(columns, is_text)?;
                let negated = self.not.take().is_some();
                self.filter(Filter::Values { column, values: vec![value], negated }, at);
                Some(next + 1)
            }
            // "Status paid": the column only says whose value it is.
            Item::Values(values) => {
                let own: Vec<_> =
                    values.into_iter().filter(|(column, _)| columns.contains(column)).collect();
                if own.is_empty() || self.was_group(next) || self.by_before(at) {
                    return None;
                }
                Some(self.values(next, &own))
            }
            _ => None,
        }
    }

    fn by_before(&self, at: usize) -> bool {
        matches!(self.item_before(at), Some(Item::Term(Term::By)))
    }

    fn number_at(&self, part: usize) -> Option<String> {
        match &self.parts[part].item {
            Item::Number(number) => Some(number.clone()),
            _ => None,
        }
    }

    fn values(&mut self, at: usize, values: &[(usize, String)]) -> usize {
        self.grounds += 1;
        let next_columns = match self.parts.get(at + 1).map(|part| &part.item) {
            Some(Item::Columns(columns)) => columns.clone(),
            _ => Vec::new(),
        };
        let named: Vec<_> =
            values.iter().filter(|(column, _)| next_columns.contains(column)).collect();
        let (value, end) = match (named.as_slice(), values) {
            ([value], _) => (Some((*value).clone()), at + 2),
            (_, [value]) => (Some(value.clone()), at + 1),
            _ => (None, at + 1),
        };
        let Some((column, value)) = value else {
            let columns: Vec<&str> = values
                .iter()
                .map(|(column, _)| self.vocabulary.table.columns[*column].name.as_str())
                .collect();
            self.fail(at, format!("it is a value of {}", columns.join(" and of ")));
            return end;
        };
        // "Not" holds for what follows it, and for other values of the same column.
        let negated = self.not.is_some() && self.not_of.is_none_or(|of| of == column);
        self.not_of = negated.then_some(column);
        self.filter(Filter::Values { column, values: vec![value], negated }, at);
        let list_goes_on = match self.parts.get(end).map(|part| &part.item) {
            Some(Item::Values(_)) => true,
            Some(Item::Term(Term::And | Term::Or)) => {
                matches!(self.parts.get(end + 1).map(|part| &part.item), Some(Item::Values(_)))
            }
            _ => false,
        };
        if !list_goes_on || !negated {
            self.not = None;
            self.not_of = None;
        }
        end
    }

    /// Adds a filter. One value after another of the same column widens the choice.
    fn filter(&mut self, filter: Filter, at: usize) {
        let or = self.or.take();
        let joined = or.is_some()
            || self.follows_at_once(at)
                && matches!(
                    self.item_before(at),
                    Some(Item::Values(_) | Item::Columns(_) | Item::Term(Term::And))
                );
        if let Filter::Values { column, values, negated } = &filter {
            let same = self.filters.iter().position(|(other, _)| {
                matches!(other, Filter::Values { column: c, negated: n, .. } if c == column && n == negated)
            });
            if let Some(index) = same {
                if !joined && !negated {
                    self.fail(at, "no row has two values in one column".to_owned());
                }
                let is_last = index + 1 == self.filters.len();
                if or.is_some() && !is_last {
                    self.fail(at, "“or” joins two values of one column only".to_owned());
                }
                if let (Filter::Values { values: all, .. }, _) = &mut self.filters[index] {
                    all.extend(
                        values
                            .iter()
                            .filter(|value| !all.contains(value))
                            .cloned()
                            .collect::<Vec<_>>(),
                    );
                }
                return;
            }
        }
        if or.is_some() {
            self.fail(at, "“or” joins two values of one column only".to_owned());
        }
        self.filters.push((filter, self.in_clause));
    }

    /// Whether nothing stands between a part and the one before it but what leads up to a value:
    /// "from EMEA to APAC" is no list of two.
    fn follows_at_once(&self, at: usize) -> bool {
        const LEADS: [&str; 8] = ["in", "from", "of", "for", "on", "the", "a", "an"];
        let between = self.parts[..at].iter().rev().take_while(|part| !means(&part.item));
        between.into_iter().all(|part| {
            let words = self.tokens.iter().skip(part.start).take(part.taken);
            words.into_iter().all(|word| LEADS.contains(&word.text.as_str()))
        })
    }

    fn finish(mut self) -> Result<Reading<'a>, Gap> {
        self.settle_pending();
        self.settle_groups();
        for left in [self.distinct, self.not, self.or].into_iter().flatten() {
            self.gap(left);
        }
        let date = self.date.or_else(|| self.default_date());
        let is_dated = self.groups.iter().any(|group| matches!(group, Group::Time(_)));
        let needs_date =
            self.is_recent || is_dated || !matches!(self.period, None | Some(Period::AllTime));
        if date.is_none() && needs_date {
            self.reason.get_or_insert_with(|| {
                format!("{} has no column of dates", self.vocabulary.table.name)
            });
        }
        if self.named == 0 && self.grounds == 0 {
            self.reason.get_or_insert_with(|| "it names no table, column or value".to_owned());
        }
        let rank = self.rank();
        if self.measures.is_empty() && !self.is_list {
            self.measures.push(Measure::Rows);
        }
        let share = self.share();
        if !self.gaps.is_empty() || self.reason.is_some() {
            return Err(self.into_gap());
        }
        let is_bare = !self.is_explicit && self.groups.is_empty() && !self.is_list;
        if is_bare && date.is_some() {
            self.groups.push(Group::Time(Bucket::Day));
        }
        let mut filters: Vec<Filter> = self.filters.into_iter().map(|(filter, _)| filter).collect();
        if self.has_alert {
            filters.extend(alert(self.vocabulary, &filters));
        }
        if rank.is_some() && !self.is_list {
            filters.extend(self.groups.iter().filter_map(|group| match group {
                Group::Column(column) => Some(Filter::Missing { column: *column, negated: true }),
                Group::Time(_) => None,
            }));
        }
        Ok(Reading {
            question: Question {
                table: self.vocabulary.table,
                measures: self.measures,
                groups: self.groups,
                filters,
                share,
                having: self.having,
                rank,
                is_list: self.is_list,
                date,
                period: self.period,
            },
            named: self.named,
            grounds: self.grounds,
            parts: self.parts.len(),
        })
    }

    /// What still waits for a measure counts rows, if it can.
    fn settle_pending(&mut self) {
        for Pending { aggregate, extreme, part } in std::mem::take(&mut self.pending) {
            match (aggregate, extreme) {
                // "The number of days with more than …" asks for no list of days.
                (None, _) if matches!(self.subject, Some((Group::Time(_), _))) => self.gap(part),
                (None, _) => self.measure(Measure::Rows),
                (Some(Aggregate::Sum), None) if self.named > 0 && self.measures.is_empty() => {
                    self.measure(Measure::Rows);
                }
                _ => self.gap(part),
            }
        }
    }

    fn settle_groups(&mut self) {
        if let Some((group, part)) = self.subject {
            if self.having.is_some() || self.most.is_some() {
                self.group(group);
            } else {
                self.gap(part);
            }
        }
        if self.having.is_some() && self.groups.is_empty() {
            self.reason.get_or_insert_with(|| {
                "it does not say what is counted for each of what".to_owned()
            });
        }
        if self.having.is_some() && self.measures.iter().any(|measure| *measure != Measure::Rows) {
            self.reason
                .get_or_insert_with(|| "it does not say whose number is compared".to_owned());
        }
        if self.flow.is_some() && self.is_per && self.named == 0 && !self.groups.is_empty() {
            self.reason.get_or_insert_with(|| {
                "it may be about each row or about what they add up to; name the rows, or ask for the sum"
                    .to_owned()
            });
        }
        if self.is_list && !self.groups.is_empty() {
            self.reason.get_or_insert_with(|| "a list of rows has no groups".to_owned());
        }
        if (self.top.is_some() || self.most.is_some()) && self.groups.is_empty() && !self.is_list {
            self.reason.get_or_insert_with(|| "it does not say what is to be ranked".to_owned());
        }
        let ranks = self.top.is_some() || self.most.is_some();
        let is_timed = self.groups.iter().any(|group| matches!(group, Group::Time(_)));
        if ranks && self.groups.len() > 1 && (self.is_per || is_timed) {
            self.reason.get_or_insert_with(|| "no ranks within each group are known".to_owned());
        }
        let is_ranked_list = self.is_list && self.top.is_some();
        if is_ranked_list && self.measures.is_empty() {
            self.reason
                .get_or_insert_with(|| "it does not say by what rows are to be ranked".to_owned());
        }
        if self.is_list && !is_ranked_list && !self.measures.is_empty() {
            self.reason.get_or_insert_with(|| "a list of rows has no measure".to_owned());
        }
        if self.top_number.is_some() && self.top.is_none() && self.most.is_none() && !self.is_recent
        {
            self.reason.get_or_insert_with(|| "it does not say what is to be ranked".to_owned());
        }
    }

    fn rank(&self) -> Option<Rank> {
        let usual = if self.is_plural { RANKED_ROWS } else { 1 };
        let (direction, limit) = match (self.top, self.most) {
            (Some((direction, limit)), _) => (direction, limit),
            (None, Some(direction)) => (direction, None),
            // By the days, which need no measure.
            (None, None) if self.is_recent => (Direction::Highest, None),
            (None, None) => return None,
        };
        let limit = self.top_number.or(limit).unwrap_or(usual);
        Some(Rank { direction, limit: limit.min(LIST_ROWS * 10) })
    }

    /// What a share is of, taken out of the filters.
    fn share(&mut self) -> Option<Vec<Filter>> {
        if !self.is_share {
            return None;
        }
        let split = self.filters.iter().any(|(_, in_clause)| !in_clause)
            && self.filters.iter().any(|(_, in_clause)| *in_clause);
        let (of, population): (Vec<_>, Vec<_>) = std::mem::take(&mut self.filters)
            .into_iter()
            .partition(|(_, in_clause)| !split || *in_clause);
        self.filters = population;
        if of.is_empty() && self.groups.is_empty() {
            self.reason.get_or_insert_with(|| "it does not say what the share is of".to_owned());
        }
        let adds_up =
            |measure: &Measure| matches!(measure, Measure::Rows | Measure::Of(Aggregate::Sum, _));
        if self.measures.len() > 1 || !self.measures.iter().all(adds_up) {
            self.reason.get_or_insert_with(|| "a share is of one count or sum".to_owned());
        }
        Some(of.into_iter().map(|(filter, _)| filter).collect())
    }

    /// The column of dates that is meant when none is named.
    fn default_date(&self) -> Option<usize> {
        const USUAL: [&str; 9] = [
            "date",
            "day",
            "timestamp",
            "time",
            "ts",
            "created",
            "occurred",
            "happened",
            "recorded",
        ];
        let columns =
            || (0..self.vocabulary.table.columns.len()).filter(|column| self.is_date(*column));
        let table = words_of(&self.vocabulary.table.name.name);
        let is_usual = |column: &usize| {
            let words = words_of(&self.vocabulary.table.columns[*column].name);
            let first = words.first().map_or("", String::as_str);
            USUAL.contains(&first) || table.last().is_some_and(|table| stem(table) == stem(first))
        };
        columns().find(is_usual).or_else(|| columns().next())
    }

    fn into_gap(self) -> Gap {
        let mut gaps = self.gaps;
        gaps.sort_unstable();
        gaps.dedup();
        let words = gaps.iter().flat_map(|gap| {
            let part = &self.parts[*gap];
            self.tokens.iter().skip(part.start).take(part.taken).map(|token| token.original.clone())
        });
        Gap {
            words: words.collect(),
            reason: self.reason,
            named: self.named,
            grounds: self.grounds,
        }
    }
}

/// Whether a part says more than how things are put.
fn means(item: &Item) -> bool {
    !matches!(item, Item::Term(term) if term.is_filler() || *term == Term::Clause)
}

/// That a record bears an alert, unless a filter says so already.
fn alert(vocabulary: &Vocabulary<'_>, filters: &[Filter]) -> Option<Filter> {
    let columns: Vec<usize> = (0..vocabulary.table.columns.len())
        .filter(|column| {
            words_of(&vocabulary.table.columns[*column].name)
                .first()
                .is_some_and(|word| word == "alert")
        })
        .collect();
    let says_so = filters.iter().any(|filter| {
        matches!(filter, Filter::Values { column, negated: false, .. } if columns.contains(column))
    });
    (!says_so && !columns.is_empty()).then_some(Filter::Alert(columns))
}
