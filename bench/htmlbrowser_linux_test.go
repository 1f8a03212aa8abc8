package bench

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A browser is a headless Chromium that is told what to do by messages over a pipe, each a
// JSON object that ends with a zero byte (its DevTools protocol).
type browser struct {
	t       *testing.T
	to      io.Writer
	from    *bufio.Reader
	id      int
	session string
	events  []event
}

type event struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// newBrowser starts Chromium with one empty page. The test's end ends it, with all its
// processes.
func newBrowser(t *testing.T) *browser {
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("not in CI: chromium is not installed")
	}
	down, to, err := os.Pipe()
	require.NoError(t, err)
	from, up, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{down, up} // as 3 and 4
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	down.Close()
	up.Close()
	watchdog := time.AfterFunc(60*time.Second, func() { unix.Kill(-cmd.Process.Pid, unix.SIGKILL) })
	t.Cleanup(func() {
		watchdog.Stop()
		unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		cmd.Wait() // it was killed
		to.Close()
		from.Close()
	})
	b := &browser{t: t, to: to, from: bufio.NewReader(from)}
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// call sends a command and waits for its result. Events that come meanwhile are kept.
func (b *browser) call(method string, params map[string]any, result any) {
	b.id++
	message := map[string]any{"id": b.id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	require.NoError(b.t, err)
	_, err = b.to.Write(append(text, 0))
	require.NoError(b.t, err)
	for {
		var answer struct {
			ID     int
			Result json.RawMessage
			Error  json.RawMessage
		}
		b.read(&answer)
		if answer.ID == b.id {
			require.Empty(b.t, string(answer.Error), method)
			if result != nil {
				require.NoError(b.t, json.Unmarshal(answer.Result, result))
			}
			return
		}
	}
}

// read reads one message; if it is an event, it is kept.
func (b *browser) read(into any) {
	text, err := b.from.ReadBytes(0)
	require.NoError(b.t, err, "the browser ended, or took more than a minute")
	text = text[:len(text)-1]
	require.NoError(b.t, json.Unmarshal(text, into))
	var e event
	if json.Unmarshal(text, &e) == nil && e.Method != "" {
		b.events = append(b.events, e)
	}
}

// open loads a file in a window of a width and returns when it is there.
func (b *browser) open(file, theme string, width int) {
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": theme}}}, nil)
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.events = nil
	b.call("Page.navigate", map[string]any{"url": "file://" + file}, nil)
	for !slices.ContainsFunc(b.events, func(e event) bool { return e.Method == "Page.loadEventFired" }) {
		b.read(&struct{}{})
	}
}

// eval returns what a JavaScript expression is.
func (b *browser) eval(expression string, into any) {
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &r)
	require.Empty(b.t, string(r.ExceptionDetails))
	require.NoError(b.t, json.Unmarshal(r.Result.Value, into))
}

// screenshot keeps a picture of the whole page if go test -artifacts asks for it: it takes
// longer than the rest.
func (b *browser) screenshot(name string) {
	if flag.Lookup("test.artifacts").Value.String() != "true" {
		return
	}
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(b.t.ArtifactDir(), name+".png"), png, 0o600))
}

// looksBad lists what a reader would stumble over; it is evaluated in the page.
const looksBad = `(() => {
  const bad = [], view = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > view) {
    bad.push("the page is " + document.documentElement.scrollWidth + " wide");
  }
  const shown = e => e.getClientRects().length > 0;
  const named = e => (e.getAttribute("aria-labelledby") || "").split(" ").every(id => (document.getElementById(id)?.textContent || "").trim());
  for (const f of document.querySelectorAll("figure")) {
    const pictures = [...f.querySelectorAll("svg")].filter(shown);
    if (pictures.length != 1) bad.push("a figure shows " + pictures.length + " pictures");
    if (!f.querySelector("figcaption")?.textContent.trim()) bad.push("a figure has no caption");
  }
  for (const s of document.querySelectorAll("svg")) {
    if (!named(s) || s.getAttribute("role") != "img") bad.push("a picture has no name: " + s.outerHTML.slice(0, 80));
    if (!shown(s)) continue;
    const box = s.getBoundingClientRect(), over = [];
    if (box.right > view) bad.push("a picture is cut off");
    for (const t of s.querySelectorAll("text")) {
      const r = t.getBoundingClientRect();
      if (r.left < box.left - 1 || r.right > box.right + 1) bad.push("text leaves its picture: " + t.textContent);
      for (const o of over) {
        if (r.left < o.right - 1 && o.left < r.right - 1 && r.top < o.bottom - 4 && o.top < r.bottom - 4) bad.push("text over text: " + t.textContent);
      }
      over.push(r);
    }
    const size = 12 * box.width / s.viewBox.baseVal.width;
    if (size < 9) bad.push("text of " + size + " px");
  }
  for (const e of document.querySelectorAll("section")) if (!named(e)) bad.push("a section has no name");
  if (document.querySelectorAll("h1").length != 1) bad.push("not one h1");
  return bad;
})()`

// The page in a browser: at every width and in both themes it has nothing to complain of,
// asks for nothing but itself, and is no wider than the window.
func TestHTMLInBrowser(t *testing.T) {
	if raceEnabled {
		t.Skip("the browser is no subject of the race detector")
	}
	b := newBrowser(t)
	dir := t.TempDir()
	for name, r := range map[string]*Report{"report": pictured(), "hostile": hostile(), "empty": newReport(Machine{})} {
		file := filepath.Join(dir, name+".html")
		require.NoError(t, os.WriteFile(file, []byte(asHTML(t, r)), 0o600))
		for _, theme := range []string{"light", "dark"} {
			for _, width := range []int{400, 700, 1000, 1400} {
				if name != "report" && width%1000 != 400 {
					continue // the narrowest and the widest are enough
				}
				b.open(file, theme, width)
				var bad []string
				b.eval(looksBad, &bad)
				require.Empty(t, bad, "%s, %s, %d wide", name, theme, width)
				var background string
				b.eval(`getComputedStyle(document.body).backgroundColor`, &background)
				require.Equal(t, theme == "dark", strings.HasPrefix(background, "rgb(21,"), background)
				b.screenshot(fmt.Sprintf("%s-%s-%d", name, theme, width))
				for _, e := range b.events {
					switch e.Method {
					case "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening":
						require.Fail(t, "the console has a message", "%s", e.Params)
					case "Network.requestWillBeSent":
						require.Contains(t, string(e.Params), `"file://`+file, "a request")
					}
				}
			}
		}
	}
}
