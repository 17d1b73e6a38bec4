// Package csv takes files of workers that a system drops in a folder.
//
//	DIR/NAME.csv              a file, complete as soon as it has this name
//	DIR/NAME.csv.manifest     {"rows": 300, "sha256": "…", "at": "2026-03-02T08:00:00Z"}, written after it; `at` is optional
//	DIR/done/                 what was taken, numbered; beside it NAME.csv.rejects.csv: line, column and reason of each bad row
//	DIR/refused/              what no file of workers is, with NAME.csv.reason.txt
//	DIR/held/                 snapshots smaller than the shrink guard allows, with NAME.csv.reason.txt, until two people have
//	                            said what becomes of them (`joinery guard release|cancel`); deleting one withdraws it
//	DIR/release/              what they let go on, until it is taken a moment later
//
// A file has a header; commas, semicolons or tabs between; UTF-8, with or without a byte order mark. `record` in the map
// is a row: texts by column.
//
// A file without a manifest must have looked the same for a second; better, write it under another name and rename it.
// With one, rows and hash must be as it says. Files are taken in the order of their names, one at a time.
//
// A snapshot is everybody: only rows that differ from the last one accepted are reported, and who is missing as
// `absent`. It is refused when it is older than that, or empty; with bad rows in it nobody is reported missing. A delta is
// changes only: every row is reported.
//
//	parse, check -> guard -> row by row, in transactions with marks -> accepted -> rejects written -> moved to done/
//
// Killed anywhere in between, the next run goes on where the marks say: each row has effect once. The marks are in
// Kafka (intake.Ledger), so whoever reads the folder next has them; only one does at a time.
//
// It owns files and rows. It does not own what rows mean (the source's map) nor what an absence does (service ingest).
//
//	err := csv.Run(ctx, source, config.CSVIntake{Directory: "/drop/hr", Mode: "snapshot", Manifest: "required"}, columns)
package csv
