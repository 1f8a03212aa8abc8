// Command goplugin measures hashicorp/go-plugin over net/rpc: it starts itself
// as a plugin, reads requests and writes answers, each a line of JSON, until
// standard input ends.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/rpc"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
)

var handshake = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "HANDOFF_PEERS_PLUGIN", MagicCookieValue: "tiny"}

// A tiny is the plugin's client in the host and its server in the plugin.
type tiny struct{ client *rpc.Client }

func (*tiny) Server(*plugin.MuxBroker) (any, error) { return server{}, nil }

func (*tiny) Client(_ *plugin.MuxBroker, c *rpc.Client) (any, error) { return &tiny{c}, nil }

func (t *tiny) next(x int64) (y int64, err error) {
	err = t.client.Call("Plugin.Next", x, &y)
	return y, err
}

type server struct{}

// Next answers x with its successor.
func (server) Next(x int64, y *int64) error {
	*y = x + 1
	return nil
}

func main() {
	plugins := map[string]plugin.Plugin{"tiny": &tiny{}}
	if os.Getenv(handshake.MagicCookieKey) != "" {
		plugin.Serve(&plugin.ServeConfig{HandshakeConfig: handshake, Plugins: plugins, Logger: hclog.NewNullLogger()})
		return
	}
	if err := host(plugins); err != nil {
		fmt.Fprintln(os.Stderr, "goplugin:", err)
		os.Exit(1)
	}
}

func host(plugins map[string]plugin.Plugin) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: handshake, Plugins: plugins, Cmd: exec.Command(exe),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolNetRPC}, Logger: hclog.NewNullLogger(),
	})
	defer client.Kill()
	protocol, err := client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense("tiny")
	if err != nil {
		return err
	}
	peer := raw.(*tiny)
	enc := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var q struct {
			Trips int `json:"trips"`
		}
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			return err
		}
		ns, err := median(q.Trips, peer)
		if err != nil {
			return err
		}
		if err := enc.Encode(map[string]float64{"ns": ns}); err != nil {
			return err
		}
	}
	return nil
}

func median(trips int, peer *tiny) (float64, error) {
	times := make([]time.Duration, max(1, trips))
	for i := range times {
		start := time.Now()
		y, err := peer.next(int64(i))
		times[i] = time.Since(start)
		if err == nil && y != int64(i)+1 {
			err = fmt.Errorf("a wrong answer: %d to %d", y, i)
		}
		if err != nil {
			return 0, err
		}
	}
	slices.Sort(times)
	return float64(times[len(times)/2]), nil
}
