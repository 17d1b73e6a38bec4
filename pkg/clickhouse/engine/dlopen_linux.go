package engine

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// loadLibrary returns the function that is the engine's main: it can be called once in a process.
func loadLibrary(path string) (func(argv []string) error, error) {
	lib, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	var cmdline func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	var resultError func(unsafe.Pointer) unsafe.Pointer
	purego.RegisterLibFunc(&cmdline, lib, "chdb_query_cmdline")
	purego.RegisterLibFunc(&resultError, lib, "chdb_result_error")
	return func(argv []string) error {
		var pin runtime.Pinner
		defer pin.Unpin() // also keeps pin alive: a collected Pinner that still pins panics
		args := make([]unsafe.Pointer, len(argv)+1)
		for i, a := range argv {
			b := append([]byte(a), 0)
			pin.Pin(&b[0])
			args[i] = unsafe.Pointer(&b[0])
		}
		pin.Pin(&args[0])
		result := cmdline(int32(len(argv)), unsafe.Pointer(&args[0]))
		if result == nil {
			return errors.New("the engine returned no result")
		}
		if msg := goString(resultError(result)); msg != "" {
			return fmt.Errorf("engine: %s", msg)
		}
		return nil
	}, nil
}

func goString(p unsafe.Pointer) string {
	if p == nil {
		return ""
	}
	var s strings.Builder
	for ; *(*byte)(p) != 0; p = unsafe.Add(p, 1) {
		s.WriteByte(*(*byte)(p))
	}
	return s.String()
}
