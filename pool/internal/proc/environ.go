package proc

import (
	"slices"
	"strings"
)

// environ is the environment of a child: what it keeps of its parent's, what is set, and
// what was asked for, where a key alone passes the parent's variable on. The last of a
// key counts.
func environ(parent, set, asked []string) (env []string) {
	for _, kv := range parent {
		key, _, _ := strings.Cut(kv, "=")
		switch key {
		case "GOMAXPROCS", "GOMEMLIMIT": // the parent's own
		case "PATH", "LD_LIBRARY_PATH", "HOME", "USER", "TZ", "TMPDIR", "LANG":
			env = append(env, kv)
		default:
			if strings.HasPrefix(key, "LC_") || strings.HasPrefix(key, "OMP_") || strings.HasPrefix(key, "GO") {
				env = append(env, kv)
			}
		}
	}
	env = append(env, set...)
	for _, kv := range asked {
		if strings.Contains(kv, "=") {
			env = append(env, kv)
		} else if i := slices.IndexFunc(parent, func(has string) bool { return strings.HasPrefix(has, kv+"=") }); i >= 0 {
			env = append(env, parent[i])
		}
	}
	return env
}
