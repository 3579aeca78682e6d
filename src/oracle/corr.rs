use std::collections::{BTreeMap, BTreeSet};

use super::windows::tumbling;
use super::{Corrected, divide_half_even};
use crate::pairs::{Correlation, Measure, Pair};
use crate::row::Real;
use crate::tick::Symbol;
use crate::window::{Tumbling, Window};

/// The pairs of each report, by two passes over the values of both symbols in its stretch.
pub fn corr(tape: &Corrected, windows: &Tumbling, rule: &Correlation) -> Vec<Pair> {
    let mut closes: BTreeMap<i64, BTreeMap<Symbol, i64>> = BTreeMap::new();
    let lasts = || tape.trades.values().flatten().filter(|trade| trade.eligible.last());
    for trade in lasts() {
        // Trades are in their order, so the last one of a window stays.
        closes.entry(tumbling(windows, trade.ts_event).start).or_default().insert(trade.symbol, trade.price.0);
    }
    let mut ends: BTreeSet<i64> = closes.keys().map(|step| tumbling(&rule.every, *step).end).collect();
    if rule.span.is_none() {
        ends = ends.last().copied().into_iter().collect();
    }
    let mut symbols: Vec<Symbol> = lasts().map(|trade| trade.symbol).collect::<BTreeSet<_>>().into_iter().collect();
    symbols.sort_by_key(|symbol| tape.texts.symbol(*symbol));
    let series: BTreeMap<Symbol, Vec<Value>> =
        symbols.iter().map(|symbol| (*symbol, values(&closes, *symbol, rule.on))).collect();
    let mut rows = Vec::new();
    for end in ends {
        let start = rule.span.map_or(i64::MIN, |span| end - span);
        let inside = |value: &&Value| start <= value.step && value.step < end;
        let mut pairs = Vec::new();
        for (at, a) in symbols.iter().enumerate() {
            for b in &symbols[at + 1..] {
                let xs = series[a].iter().filter(inside);
                let both = xs.zip(series[b].iter().filter(inside));
                let traded = both.clone().any(|(x, y)| x.traded && y.traded);
                let common: Vec<(i128, i128)> = both.filter_map(|(x, y)| x.value.zip(y.value)).collect();
                let (corr, beta) = if common.len() as u64 >= rule.min { figures(&common) } else { (None, None) };
                if corr.is_some() || (rule.top.is_none() && traded) {
                    pairs.push(Pair {
                        window: Window { start, end },
                        rank: 0,
                        a: *a,
                        b: *b,
                        corr,
                        beta,
                        n: common.len() as u64,
                    });
                }
            }
        }
        if let Some(top) = rule.top {
            // A stable sort, so ties stay in the order of the symbols' texts.
            pairs.sort_by_key(|pair| std::cmp::Reverse(pair.corr));
            pairs.truncate(top);
            pairs.iter_mut().zip(0..).for_each(|(pair, rank)| pair.rank = rank);
        }
        rows.extend(pairs);
    }
    rows
}

/// A symbol at one step.
struct Value {
    step: i64,
    /// Whether it has traded by then.
    traded: bool,
    value: Option<i128>,
}

/// A symbol's values at all steps: its last close, or what that returned on the one of the step before.
fn values(closes: &BTreeMap<i64, BTreeMap<Symbol, i64>>, symbol: Symbol, on: Measure) -> Vec<Value> {
    let mut level: Option<i64> = None;
    let mut values = Vec::new();
    for (step, closes) in closes {
        let before = level;
        level = closes.get(&symbol).copied().or(level);
        let value = match on {
            Measure::Levels => level.map(i128::from),
            Measure::Returns => before.filter(|before| *before > 0).zip(level).map(|(before, level)| {
                let (before, change) = (i128::from(before), i128::from(level) - i128::from(before));
                divide_half_even(change * 10_i128.pow(12), before).clamp(-(1 << 50), 1 << 50)
            }),
        };
        values.push(Value { step: *step, traded: level.is_some(), value });
    }
    values
}

/// Correlation, and the slope of the second on the first, rounded as `Moments::relation` says.
fn figures(common: &[(i128, i128)]) -> (Option<Real>, Option<Real>) {
    if common.is_empty() {
        return (None, None);
    }
    let n = common.len() as i128;
    let mean = |sum: i128| sum.div_euclid(n);
    let (mean_x, mean_y) = (mean(common.iter().map(|(x, _)| x).sum()), mean(common.iter().map(|(_, y)| y).sum()));
    let away: Vec<(i128, i128)> = common.iter().map(|(x, y)| (x - mean_x, y - mean_y)).collect();
    let sum = |of: &dyn Fn(&(i128, i128)) -> i128| away.iter().map(of).sum::<i128>();
    let (rest_x, rest_y) = (sum(&|(x, _)| *x), sum(&|(_, y)| *y));
    let spread = |products: i128, rests: i128| products as f64 - rests as f64 / n as f64;
    let covariance = spread(sum(&|(x, y)| x * y), rest_x * rest_y);
    let (var_x, var_y) = (spread(sum(&|(x, _)| x * x), rest_x * rest_x), spread(sum(&|(_, y)| y * y), rest_y * rest_y));
    let varies = |of: &dyn Fn(&(i128, i128)) -> i128| common.iter().any(|pair| of(pair) != of(&common[0]));
    let (x_varies, y_varies) = (varies(&|(x, _)| *x), varies(&|(_, y)| *y));
    let corr = (covariance / (var_x.sqrt() * var_y.sqrt())).clamp(-1.0, 1.0);
    ((x_varies && y_varies).then_some(Real(corr)), x_varies.then_some(Real(covariance / var_x)))
}
