package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestEveryMutantFitsTheCode(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		code, err := os.ReadFile(filepath.Join("..", m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(code, []byte(m.from)); n != 1 {
			t.Errorf("%s: the code to change is there %d times in %s", m.name, n, m.file)
		}
	}
}
