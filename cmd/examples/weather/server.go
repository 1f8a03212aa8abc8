package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	header      = "date,pressure,temperature,wind\n"
	hoursOfYear = 365 * 24
)

// A server answers /N with year N as CSV, on the loopback interface: the year it has,
// each value a little off.
type server struct {
	URL  string
	http http.Server
	done chan error

	latency time.Duration
	dates   []string
	values  [][quantities]float64
	sent    atomic.Int64 // bytes
}

// startServer serves the year in a file, or one that is made up.
func startServer(file string, latency time.Duration) (*server, error) {
	s := &server{latency: latency, done: make(chan error, 1)}
	if err := s.load(file); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.URL = "http://" + l.Addr().String()
	s.http.Handler = s
	s.http.ReadHeaderTimeout = 10 * time.Second
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

// Close ends the server; its goroutines are gone when it returns.
func (s *server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func (s *server) load(file string) error {
	if file == "" {
		for h := range hoursOfYear {
			day := 2 * math.Pi * float64(h) / 24
			s.dates = append(s.dates, time.Date(2010, 1, 1, h+1, 0, 0, 0, time.UTC).Format("2006-01-02T15:04:05"))
			s.values = append(s.values, [quantities]float64{1016 + 3*math.Sin(day/7), 11 - 7*math.Cos(day/365) - 3*math.Cos(day), 3.5 + math.Sin(day)})
		}
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for i, row := range rows {
		var v [quantities]float64
		if len(row) != 1+quantities {
			return fmt.Errorf("%s: %d columns, expected %s", file, len(row), header[:len(header)-1])
		}
		for c := range v {
			if v[c], err = strconv.ParseFloat(row[1+c], 64); err != nil && i > 0 {
				return fmt.Errorf("%s: row %d: %w", file, i, err)
			}
		}
		if i > 0 {
			s.dates, s.values = append(s.dates, row[0]), append(s.values, v)
		}
	}
	if len(s.values) == 0 {
		return fmt.Errorf("%s has no rows", file)
	}
	return nil
}

// value is quantity q of hour h of year n, to a tenth.
func (s *server) value(n, h, q int) float64 {
	off := uint64(n*len(s.values)+h)*quantities + uint64(q)
	off = (off ^ off>>29) * 0xbf58476d1ce4e5b9
	return math.Round(10*s.values[h][q]+float64(off>>59)-16) / 10
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Path[1:])
	if err != nil || n < 0 {
		http.NotFound(w, r)
		return
	}
	select {
	case <-time.After(s.latency):
	case <-r.Context().Done():
		return
	}
	b := bytes.NewBuffer(make([]byte, 0, 48*len(s.values)))
	b.WriteString(header)
	for h, date := range s.dates {
		b.WriteString(date)
		for q := range quantities {
			b.WriteByte(',')
			b.Write(strconv.AppendFloat(b.AvailableBuffer(), s.value(n, h, q), 'f', 1, 64))
		}
		b.WriteByte('\n')
	}
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	s.sent.Add(int64(b.Len()))
	w.Write(b.Bytes()) // its error is that the client has left
}
