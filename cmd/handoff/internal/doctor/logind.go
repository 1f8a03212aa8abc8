package doctor

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// firstHumanUID is where users begin whose logout can take their files along:
// systemd spares root and system users.
const firstHumanUID = 1000

// checkLogind looks below root whether systemd-logind removes what this user has
// in /dev/shm at the end of the last session.
func checkLogind(root string, uid int, user string) Check {
	c := Check{"logind", OK, "", "", map[string]any{"remove_ipc": nil, "linger": nil, "uid": uid}}
	if _, err := os.Stat(root + "/run/systemd/system"); err != nil {
		c.Found = "no systemd, which could remove segments at logout"
		return c
	}
	remove, file := removeIPC(root)
	_, err := os.Stat(root + "/var/lib/systemd/linger/" + filepath.Base("/"+user))
	linger := err == nil
	c.Values["remove_ipc"], c.Values["linger"] = remove, linger
	setting := fmt.Sprintf("RemoveIPC=%s (%s)", map[bool]string{true: "yes", false: "no"}[remove], file)
	switch {
	case !remove:
		c.Found = setting
	case uid < firstHumanUID:
		c.Found = setting + ", which spares system users and root"
	case linger:
		c.Found = setting + ", which spares this user: it lingers"
	default:
		c.Found = setting + ": segments are removed when this user's last session ends"
		c.worse(Warning, "loginctl enable-linger, or RemoveIPC=no in /etc/systemd/logind.conf")
	}
	return c
}

// removeIPC is the setting, and the file that sets it: the last of the main file
// and then the drop-ins in the order of their names. The main file is the first
// that is there; a drop-in hides those of its name in later folders.
func removeIPC(root string) (remove bool, file string) {
	folders := []string{"/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd", "/lib/systemd"}
	var files []string
	dropIns := map[string]string{}
	for _, d := range folders {
		name := d + "/logind.conf"
		if _, err := os.Stat(root + name); err == nil && len(files) == 0 {
			files = []string{name}
		}
		found, _ := filepath.Glob(root + name + ".d/*.conf")
		for _, f := range found {
			if base := filepath.Base(f); dropIns[base] == "" {
				dropIns[base] = name + ".d/" + base
			}
		}
	}
	for _, base := range slices.Sorted(maps.Keys(dropIns)) {
		files = append(files, dropIns[base])
	}
	remove, file = true, "the default"
	for _, name := range files {
		b, _ := os.ReadFile(root + name)
		switch set, shown := loginSetting(string(b), "RemoveIPC"); {
		case set != nil:
			remove, file = *set, name
		case shown != nil && !strings.Contains(name, ".conf.d/"): // a main file shows what was compiled in
			remove = *shown
		}
	}
	return remove, file
}

// loginSetting is a yes or no of the section Login, as set and as shown in a
// comment; nil where it is not. What is no yes or no is ignored, as systemd does.
func loginSetting(text, key string) (set, shown *bool) {
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
			continue
		}
		into := &set
		if c := strings.TrimLeft(line, "#;"); c != line {
			line, into = c, &shown
		}
		k, v, ok := strings.Cut(line, "=")
		if !ok || section != "[Login]" || strings.TrimSpace(k) != key {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "1", "yes", "y", "true", "t", "on":
			*into = new(bool)
			**into = true
		case "0", "no", "n", "false", "f", "off":
			*into = new(bool)
		}
	}
	return set, shown
}
