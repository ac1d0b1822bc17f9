//! `cargo xtask orders-data`: the orders that the quickstart imports.
//!
//! `examples/data/orders.jsonl` has one order per line, most of them good. `examples/data/invalid.tsv` names the lines
//! that are not, and why. Both are the same on every machine and in every run.

mod customer;
mod fault;
mod order;
mod product;
mod random;
mod time;

use std::fs;
use std::path::PathBuf;

use customer::Customer;
use fault::Fault;
use order::Order;
use random::Random;
use time::Clock;

use crate::{Result, workspace};

const ORDERS: usize = 2_000;
const CUSTOMERS: usize = 420;
const SEED: u64 = 20_250_102;

/// The two files.
struct Data {
    orders: String,
    invalid: String,
}

/// Writes the files.
///
/// # Errors
/// When one cannot be written.
pub(crate) fn write() -> Result<()> {
    let data = Data::generate();
    for (name, text) in [("orders.jsonl", data.orders), ("invalid.tsv", data.invalid)] {
        let path = folder().join(name);
        fs::write(&path, text).map_err(|error| format!("write `{}`: {error}", path.display()))?;
        eprintln!("wrote `{}`", path.display());
    }
    Ok(())
}

fn folder() -> PathBuf {
    workspace::root().join("examples").join("data")
}

impl Data {
    fn generate() -> Self {
        let mut random = Random::new(SEED);
        let customers = (0..CUSTOMERS).map(|_| Customer::generate(&mut random)).collect::<Vec<_>>();
        let faults = placed(Fault::all(), &mut random);
        let mut clock = Clock::start();
        let mut good = Vec::new();
        let mut data = Data { orders: String::new(), invalid: String::from("line\treason\n") };
        for number in 1..=ORDERS {
            let moment = clock.next_order(&mut random);
            let order = Order::generate(&mut random, &customers, moment);
            let fault = faults.iter().find(|(line, _)| *line == number).map(|(_, fault)| fault);
            let text = match fault {
                None => {
                    let text = order.to_json();
                    good.push(order);
                    text
                }
                Some(fault) => {
                    data.invalid.push_str(&format!("{number}\t{}\n", fault.reason()));
                    fault.spoil(order, &good)
                }
            };
            data.orders.push_str(&text);
            data.orders.push('\n');
        }
        data
    }
}

/// Spreads the faults over the lines, one in each of as many equal stretches.
fn placed(faults: Vec<Fault>, random: &mut Random) -> Vec<(usize, Fault)> {
    let stretch = ORDERS / faults.len();
    let line = |index: usize, random: &mut Random| index * stretch + 2 + random.below(stretch - 2);
    faults.into_iter().enumerate().map(|(index, fault)| (line(index, random), fault)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_files_in_the_repository_are_what_the_generator_makes() {
        let data = Data::generate();
        for (name, text) in [("orders.jsonl", &data.orders), ("invalid.tsv", &data.invalid)] {
            let stored = fs::read_to_string(folder().join(name)).unwrap();
            assert!(stored == *text, "`examples/data/{name}` differs; run `cargo xtask orders-data`");
        }
    }

    #[test]
    fn every_fault_is_in_the_file_once_and_the_list_names_its_line() {
        let data = Data::generate();
        let lines = data.invalid.lines().skip(1).filter_map(|line| line.split_once('\t')).collect::<Vec<_>>();
        let numbers = lines.iter().map(|(number, _)| number.parse::<usize>().unwrap()).collect::<BTreeSet<_>>();
        let reasons = lines.iter().map(|(_, reason)| *reason).collect::<BTreeSet<_>>();
        assert_eq!(numbers.len(), Fault::all().len());
        assert_eq!(reasons.len(), Fault::all().len());
        assert_eq!(data.orders.lines().count(), ORDERS);
    }

    #[test]
    fn good_lines_have_one_to_eight_lines_with_skus_of_their_own() {
        let mut random = Random::new(7);
        let customers = [Customer::generate(&mut random)];
        let mut clock = Clock::start();
        for _ in 0..500 {
            let moment = clock.next_order(&mut random);
            let order = Order::generate(&mut random, &customers, moment);
            let skus = order.lines.iter().map(|line| line.sku.clone()).collect::<BTreeSet<_>>();
            assert_eq!(skus.len(), order.lines.len());
            assert!((1..=8).contains(&skus.len()));
        }
    }
}
