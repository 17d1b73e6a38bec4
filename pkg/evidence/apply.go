package evidence

import (
	"context"
	"embed"
	"fmt"
	"strings"
	"text/template"

	"joinery.internal/pkg/clickhouse"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// object is something Apply creates. At and Known are the instants of the access views, as SQL.
type object struct {
	file      string
	Name      string
	At, Known string
}

const (
	// The pipeline's present is the time of its last transition, which is not the server's when its clock was
	// moved, or when it has not caught up.
	pipelineNow = "(SELECT max(occurred_at) FROM " + Database + ".evidence_log)"
	paramAt     = "parseDateTime64BestEffort({at:String}, 3, 'UTC')"
	paramKnown  = "parseDateTime64BestEffort({known:String}, 3, 'UTC')"
)

// objects are in the order of their dependence.
func objects() []object {
	return []object{
		{file: "evidence_log.sql", Name: "evidence_log"},
		{file: "evidence.sql", Name: "evidence"},
		{file: "cases.sql", Name: "cases"},
		{file: "exceptions.sql", Name: "exceptions"},
		{file: "kpi_daily.sql", Name: "kpi_daily"},
		{file: "access.sql", Name: "access_now", At: pipelineNow, Known: pipelineNow},
		{file: "access.sql", Name: "access_as_of", At: paramAt, Known: paramKnown},
		{file: "leavers_with_access.sql", Name: "leavers_with_access"},
	}
}

// Apply creates the database, the table and the views, or brings the views up to date. It may be repeated at any time.
func Apply(ctx context.Context, conn clickhouse.Conn) error {
	if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+Database); err != nil {
		return fmt.Errorf("create database %s: %w", Database, err)
	}
	for _, o := range objects() {
		sql, err := o.statement()
		if err != nil {
			return err
		}
		if err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("create %s.%s: %w", Database, o.Name, err)
		}
	}
	return nil
}

func (o object) statement() (string, error) {
	text, err := schemaFiles.ReadFile("schema/" + o.file)
	if err != nil {
		return "", fmt.Errorf("read schema of %s: %w", o.Name, err)
	}
	t, err := template.New(o.Name).Parse(string(text))
	if err != nil {
		return "", fmt.Errorf("parse schema of %s: %w", o.Name, err)
	}
	var b strings.Builder
	err = t.Execute(&b, struct{ Database, Name, At, Known string }{Database, o.Name, o.At, o.Known})
	if err != nil {
		return "", fmt.Errorf("write schema of %s: %w", o.Name, err)
	}
	return b.String(), nil
}
