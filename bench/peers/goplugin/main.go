// Command goplugin measures hashicorp/go-plugin over net/rpc: it starts itself
// as a plugin, and answers requests until standard input ends.
package main

import (
	"fmt"
	"net/rpc"
	"os"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"example.com/handoff/bench/peers/internal/tiny"
)

var handshake = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "HANDOFF_PEERS_PLUGIN", MagicCookieValue: "tiny"}

// A peer is the plugin's client in the host and its server in the plugin.
type peer struct{ client *rpc.Client }

func (*peer) Server(*plugin.MuxBroker) (any, error) { return server{}, nil }

func (*peer) Client(_ *plugin.MuxBroker, c *rpc.Client) (any, error) { return &peer{c}, nil }

func (p *peer) next(x int64) (y int64, err error) {
	err = p.client.Call("Plugin.Next", x, &y)
	return y, err
}

type server struct{}

// Next answers x with its successor.
func (server) Next(x int64, y *int64) error {
	*y = tiny.Task(x)
	return nil
}

func main() {
	plugins := map[string]plugin.Plugin{"tiny": &peer{}}
	if os.Getenv(handshake.MagicCookieKey) != "" {
		go endWithParent(os.Getppid())
		plugin.Serve(&plugin.ServeConfig{HandshakeConfig: handshake, Plugins: plugins, Logger: hclog.NewNullLogger()})
		return
	}
	if err := host(plugins); err != nil {
		fmt.Fprintln(os.Stderr, "goplugin:", err)
		os.Exit(1)
	}
}

// endWithParent ends a plugin whose host was killed: go-plugin leaves it running.
func endWithParent(parent int) {
	for os.Getppid() == parent {
		time.Sleep(time.Second)
	}
	os.Exit(1)
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
	return tiny.Serve(raw.(*peer).next)
}
