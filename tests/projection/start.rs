//! What only shows when all projections are put together.

use spakky::prelude::*;

use crate::support::{Database, on_each_backend};

on_each_backend![a_projection_that_holds_itself_is_refused_at_start, a_profile_breaks_a_circle,];

#[derive(Debug, Clone, Table)]
#[table(name = "looped_parents")]
struct ParentRow {
    #[table(id)]
    id: i64,
}

#[derive(Debug, Clone, Table)]
#[table(name = "looped_children")]
struct ChildRow {
    #[table(id)]
    id: i64,
    parent_id: i64,
}

#[derive(Debug, Projection)]
#[projection(row = ParentRow)]
struct ParentView {
    #[projection(has_many(by = parent_id))]
    _children: Vec<ChildView>,
}

#[derive(Debug, Projection)]
#[projection(row = ChildRow)]
struct ChildView {
    #[projection(belongs_to(by = parent_id))]
    _parent: ParentView,
}

#[derive(Debug, Clone, Table)]
#[table(name = "trees")]
struct TreeRow {
    #[table(id)]
    id: i64,
    above_id: Option<i64>,
}

#[derive(Debug, PartialEq, Projection)]
#[projection(row = TreeRow, profiles(leaf, branch))]
struct TreeView {
    id: i64,
    #[projection(has_many(by = above_id, profile = leaf), profiles(branch))]
    below: Loaded<Vec<TreeView>>,
}

async fn a_projection_that_holds_itself_is_refused_at_start(db: Database) {
    let problem = "projection `ChildView` holds `ParentView` holds `ChildView` holds itself";
    let error = db.observer().create_tables(&schema![ParentRow, ChildRow]).await.unwrap_err();
    let other = "projection `ParentView` holds `ChildView` holds `ParentView` holds itself";
    let text = error.to_string();
    assert!(text.contains(problem) || text.contains(other), "{text}");
    assert!(text.ends_with("would be loaded for ever; leave a field of the circle out with `profile = …`"), "{text}");

    // Nor is it run where nobody checked.
    let parents = db.sessions.repository::<ParentRow>();
    let error = parents.project::<ParentView>().all().await.unwrap_err();
    assert!(error.is_invalid_query());
    assert_eq!(
        error.to_string(),
        "load projection `ParentView` holds `ChildView` holds `ParentView` holds itself, and would be loaded for ever; \
         leave a field of the circle out with `profile = …`"
    );
}

async fn a_profile_breaks_a_circle(db: Database) {
    db.observer().create_tables(&schema![TreeRow]).await.unwrap();
    db.execute("INSERT INTO trees (id, above_id) VALUES (1, NULL), (2, 1), (3, 2)").await;
    let trees = db.sessions.repository::<TreeRow>();
    let root = trees.project::<TreeView>().profile(TreeView::BRANCH).get(1).await.unwrap();
    let leaf = TreeView { id: 2, below: Loaded::NotLoaded };
    assert_eq!(root, TreeView { id: 1, below: Loaded::Loaded(vec![leaf]) });
}
