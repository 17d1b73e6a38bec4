package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Rights of Landlock that every kernel we use it on knows (ABI 2, Linux 5.19).
const (
	readRights  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_EXECUTE
	writeRights = readRights | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER
	fileRights = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_EXECUTE
	minimumABI = 2
)

// confine takes from this thread, and so from every thread of the engine, all files but the engine's own. As a
// library it would read any file of this user for anybody who may run a SELECT: file('/etc/passwd') checks no
// grant. The logins are outside what it keeps. A kernel without Landlock gets a line in the log: there, who may
// read evidence may read the files of this user.
func confine(f folder, library string) error {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || abi < minimumABI {
		fmt.Fprintln(os.Stderr, "engine host: this kernel has no Landlock, so SQL users can read files of this user; give the reader's login to nobody who may not")
		return nil
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: writeRights}
	ruleset, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr.Handled_access_fs), 0)
	if errno != 0 {
		return fmt.Errorf("create a file ruleset: %w", errno)
	}
	defer func() { _ = unix.Close(int(ruleset)) }() // was only read
	allow := map[string]uint64{
		f.store(): writeRights, f.logs(): writeRights, f.conf(): readRights, filepath.Dir(library): readRights,
		"/dev/null": fileRights, "/dev/urandom": readRights, "/dev/pts": fileRights, "/dev/tty": fileRights,
		"/proc/self": readRights, "/proc/meminfo": readRights, "/proc/cpuinfo": readRights, "/proc/stat": readRights,
		"/sys": readRights, "/usr/lib": readRights, "/lib": readRights, "/lib64": readRights,
		"/usr/share/zoneinfo": readRights, "/etc/localtime": readRights, "/etc/timezone": readRights,
	}
	for path, rights := range allow {
		if err := allowPath(int(ruleset), path, rights); err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0); errno != 0 {
		return fmt.Errorf("confine the engine to its files: %w", errno)
	}
	return nil
}

func allowPath(ruleset int, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %s for the file ruleset: %w", path, err)
	}
	defer func() { _ = unix.Close(fd) }() // only names a path
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= fileRights
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	runtime.KeepAlive(&rule)
	if errno != 0 {
		return fmt.Errorf("allow %s: %w", path, errno)
	}
	return nil
}
