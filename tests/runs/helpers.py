"""Databases for the tests, and all that can be read from one."""

import numpy as np

import neuro4d as n4
from neuro4d._base import now
from neuro4d.runs._content import content, with_network


def start_with_text(db, name, text):
    """A run that goes on, of a network of which only the text matters."""
    held = with_network(content(None, None, None, (), ""), db._rows.keep_text(text), None)
    return db._rows.insert("run", name, "running", now(), held)


def filled(path, runs=24, entries=6):
    """A database whose pages are mostly full: rows, texts, arrays."""
    with n4.RunDB(path) as db, db.together():
        for k in range(runs):
            if k % 4:
                db.add("run", f"cells {k}", parameters={"k": k, "rate": 2.5 * k}, seed=k, metrics={"cv": 0.5, "trace": np.arange(40) * k})
            else:
                db.finish(start_with_text(db, "text", f"network {k} " * 40), metrics={"k": k})
    with n4.KnowledgeBase(path) as base:
        base.store_all(
            "noise", np.random.default_rng(0).integers(0, 256, (entries, 300), dtype=np.uint8), "image", [{"k": k} for k in range(entries)]
        )
        base.store("words", "some text " * 30)
        base.store("words", {"a": [1, 2.5, None]})
    return path


def everything(path):
    """All content of a database, as text that can be compared."""
    with n4.RunDB(path) as db:
        rows = [row.as_dict() for row in db.runs()]
        texts = [db.text(row["network"]) for row in rows if row["network"]]
    with n4.KnowledgeBase(path, check=False) as base:
        entries = [(*entry[:3], np.asarray(entry.data).tolist(), *entry[4:]) for entry in base.query()]
    return repr((rows, texts, entries))
