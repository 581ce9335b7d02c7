# Everything that one does with this repository. `make demo` shows it at work,
# `make test` checks it on the Erlang at hand, `make test-all` on others and from
# Elixir too; they install what they lack (scripts/install-tools).

GO ?= go
REBAR3 ?= rebar3
# rebar3 colours its output even where nobody sees it.
export TERM := $(if $(CI),dumb,$(TERM))
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 10s

# The bench keeps what only its charts need in a module of its own.
MODULES = . bench/runner
in_each_module = @for module in $(MODULES); do (cd $$module && $(1)) || exit 1; done

.NOTPARALLEL:
.PHONY: build port dist dist-test install-tools demo shell test test-all format vet lint \
        cross-build go-test xref dialyzer docs ct ct-27 ct-29 conformance conformance-27 \
        conformance-29 elixir fuzz bench bench-quick clean

build: install-tools
	@echo "building the port program and the application"
	@QUIET=1 $(REBAR3) compile

# Called by rebar3 too, before it compiles the application.
port:
	@GO=$(GO) scripts/port

# The port program for all systems, for whoever has no Go.
dist:
	@GO=$(GO) scripts/dist

dist-test:
	@scripts/dist-test

install-tools:
	@scripts/install-tools

demo: build
	@escript demo/demo.escript

shell: build
	@erl -pa _build/default/lib/gentcp/ebin \
	    -eval 'ok = gentcp:install().' \
	    -eval 'io:format("gentcp is installed: every gen_tcp socket of this shell is one of its own. Try~n").' \
	    -eval 'io:format("  {ok, L} = gen_tcp:listen(0, [binary]), {ok, Port} = inet:port(L),~n").' \
	    -eval 'io:format("  {ok, C} = gen_tcp:connect(localhost, Port, [binary]), {ok, S} = gen_tcp:accept(L),~n").' \
	    -eval 'io:format("  gen_tcp:send(C, <<\"hello\">>), flush(), gentcp:i().~n").'

# All the steps below, one after the other, and a count of what passed.
CHECKS = format vet lint cross-build go-test xref dialyzer docs ct
test:
	@scripts/test $(CHECKS) conformance

# Those, and what takes another Erlang/OTP than the one at hand, or Elixir. The
# releases run side by side. Needs root.
test-all:
	@scripts/install-tools all
	@scripts/test $(CHECKS) elixir dist-test ct-27+ct-29 conformance+conformance-27+conformance-29

format:
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { \
	    echo "not formatted as gofmt does:"; echo "$$unformatted"; exit 1; }

vet:
	$(call in_each_module,$(GO) vet ./...)

lint:
	$(call in_each_module,$(GO) run $(STATICCHECK) ./...)

# The systems that it builds for besides the one at hand.
cross-build:
	@GOOS=darwin GOARCH=arm64 $(GO) build ./...
	@GOOS=freebsd GOARCH=amd64 $(GO) build ./...

go-test:
	@scripts/go-test $(MODULES)

xref: port
	@$(REBAR3) xref

dialyzer: port
	@$(REBAR3) dialyzer

docs: port
	@$(REBAR3) edoc

ct: port
	@scripts/ct

# The same on the OTP of another Debian. Needs root.
ct-27 ct-29: ct-%: port
	@scripts/on-otp $* scripts/with-private-network scripts/ct-bare

# OTP's own suites for gen_tcp on the stock driver and on gentcp, in one table.
conformance: port
	@conformance/run

# The same on the OTP of another Debian. Needs root.
conformance-27 conformance-29: conformance-%: port
	@scripts/on-otp $* conformance/run

# The application from Elixir.
elixir: port
	@QUIET=1 $(REBAR3) compile
	@scripts/elixir-test

# Every fuzz target for $(FUZZTIME); a failing input is left in testdata/fuzz.
fuzz:
	@$(GO) list -f '{{.Dir}}' ./... | while read -r dir; do \
	    grep -hos '^func Fuzz[A-Za-z0-9_]*' "$$dir"/*_test.go | sed 's/^func //' | while read -r target; do \
	        echo "$$dir $$target"; \
	        (cd "$$dir" && $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) .) </dev/null || exit 1; \
	    done || exit 1; \
	done

bench: build
	@bench/run

bench-quick: build
	@bench/run --quick

clean:
	@$(REBAR3) clean --all
	@rm -rf _build priv/gentcp_port doc/edoc
