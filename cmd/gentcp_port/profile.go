//go:build !noprofile

package main

import (
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// profileFlag defines -pprof. What it returns begins to serve if the flag has been given.
func profileFlag(flags *flag.FlagSet) func(*slog.Logger) error {
	addr := flags.String("pprof", "", "serve profiles over HTTP on this `address`, such as localhost:6060 (default: do not)")
	return func(log *slog.Logger) error {
		if *addr == "" {
			return nil
		}
		return serveProfiles(*addr, log)
	}
}

// serveProfiles serves net/http/pprof on an address until the program ends.
func serveProfiles(addr string, log *slog.Logger) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("serve profiles: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	log.Info("profiles are served", "url", "http://"+l.Addr().String()+"/debug/pprof/")
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { log.Error("profiles are served no longer", "reason", server.Serve(l)) }()
	return nil
}
