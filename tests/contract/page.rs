//! Pages, by number and by cursor.

use spakky::prelude::*;
use spakky::{CursorRequest, Total};

use super::{Purchase, Store, ids, on_each_store};

on_each_store![pages_by_number_have_a_total, a_walk_by_cursor_sees_every_row_once];

async fn pages_by_number_have_a_total(store: Store) {
    let purchases = store.fill(1..=7).await;
    let p = Purchase::COLUMNS;
    for (number, expected, has_next) in [(1, vec![7, 6, 5], true), (2, vec![4, 3, 2], true), (3, vec![1], false)] {
        let page = purchases.query().order_by(p.total.desc()).page(PageRequest::new(number).size(3)).await.unwrap();
        assert_eq!((ids(&page.items), page.has_next, page.total), (expected, has_next, Total::Exact(7)));
    }
}

async fn a_walk_by_cursor_sees_every_row_once(store: Store) {
    let purchases = store.fill(1..=11).await;
    let p = Purchase::COLUMNS;
    for order in [p.rank.asc(), p.rank.desc(), p.note.asc(), p.gift.desc(), p.placed_at.desc()] {
        let query = || purchases.query().order_by(order.clone()).order_by(p.id.desc());
        let all = ids(&query().all().await.unwrap());
        let mut request = CursorRequest::first(3);
        let (mut seen, mut last) = (Vec::new(), None);
        loop {
            let page = query().cursor_page(request).await.unwrap();
            seen.extend(ids(&page.items));
            last = page.previous.or(last);
            let Some(next) = page.next else { break };
            request = CursorRequest::first(3).at(next);
        }
        assert_eq!(seen, all, "{order:?}");
        let back = query().cursor_page(CursorRequest::first(3).at(last.unwrap())).await.unwrap();
        assert_eq!(ids(&back.items), all[6..9], "{order:?}");
    }
}
