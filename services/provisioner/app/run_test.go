package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"joinery.internal/pkg/service"
	"joinery.internal/services/provisioner/app"
)

func TestAWrongTargetFileIsNamedAtTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := "apiVersion: joinery/v1\nkind: Target\nmetadata: {name: chat}\nspec: {connector: scim, connection: {url: 'http://127.0.0.1:1', colour: red}, account: {name: person.username}}\n"
	if err := os.Mkdir(filepath.Join(dir, "targets"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "targets", "chat.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	err := app.Run(t.Context(), service.Env{ConfigDir: dir})
	if err == nil || !strings.Contains(err.Error(), "chat.yaml:3:") || !strings.Contains(err.Error(), "connection.colour") {
		t.Errorf("error: %v", err)
	}
}
