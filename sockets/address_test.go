package sockets

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func (w *world) names(s *Socket) (own, peer Addr) {
	w.t.Helper()
	w.do(func() {
		var err error
		own, err = s.Sockname()
		require.NoError(w.t, err)
		peer, err = s.Peername()
		require.NoError(w.t, err)
	})
	return own, peer
}

func TestAddressesOfAConnection(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		l, at := w.listen(f)
		require.Equal(t, f, at.Family)
		require.Equal(t, Loopback(f), at.IP)
		require.NotZero(t, at.Port)
		a := w.startAccept(l, -1, false)
		client := w.connect(f, at, passive)
		own, peer := w.names(client)
		require.Equal(t, at, peer)
		require.Equal(t, Loopback(f), own.IP)
		own2, peer2 := w.names(a.socket())
		require.Equal(t, own, peer2)
		require.Equal(t, peer, own2)
		w.do(func() {
			_, err := l.Peername()
			require.ErrorIs(t, err, unix.ENOTCONN)
			l.CloseNow()
			_, err = l.Sockname()
			require.ErrorIs(t, err, ErrClosed)
		})
	})
}

func TestWildcardListener(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		w.do(func() {
			l, err := w.st.Listen(f, &Addr{Family: f, IP: Any(f)}, with())
			require.NoError(t, err)
			own, err := l.Sockname()
			require.NoError(t, err)
			require.Equal(t, Any(f), own.IP)
		})
	})
}

func TestIPv4ClientOfAnIPv6Listener(t *testing.T) {
	w := newWorld(t, Config{})
	var at Addr
	var l *Socket
	w.do(func() {
		var err error
		l, err = w.st.Listen(Inet6, &Addr{Family: Inet6, IP: Any(Inet6)}, with(opt("ipv6_v6only", 0)))
		require.NoError(t, err)
		at, _ = l.Sockname()
	})
	a := w.startAccept(l, -1, false)
	w.connect(Inet, Addr{Family: Inet, IP: Loopback(Inet), Port: at.Port})
	_, peer := w.names(a.socket())
	require.Equal(t, netip.MustParseAddr("::ffff:127.0.0.1"), peer.IP)
	mapped := w.startConnect(Inet6, Addr{Family: Inet6, IP: netip.MustParseAddr("::ffff:127.0.0.1"), Port: at.Port}, -1)
	require.NoError(t, mapped.error())
}

func TestScopeIsKept(t *testing.T) {
	sa, err := Addr{Family: Inet6, IP: netip.MustParseAddr("fe80::1"), Port: 5, Scope: 3}.sockaddr(Inet6)
	require.NoError(t, err)
	require.Equal(t, &unix.SockaddrInet6{Port: 5, ZoneId: 3, Addr: netip.MustParseAddr("fe80::1").As16()}, sa)
	require.Equal(t, Addr{Family: Inet6, IP: netip.MustParseAddr("fe80::1"), Port: 5, Scope: 3}, addrOf(sa))
}

func TestAddressesOfAnotherFamily(t *testing.T) {
	w := newWorld(t, Config{})
	v4, v6 := Addr{Family: Inet, IP: Loopback(Inet)}, Addr{Family: Inet6, IP: Loopback(Inet6)}
	local := Addr{Family: Local, Path: localPath(t)}
	for _, row := range []struct {
		socket Family
		addr   Addr
	}{
		{Inet, v6}, {Inet6, v4}, {Inet, local}, {Inet6, local}, {Local, v4},
		{Inet, Addr{Family: Inet}}, {Inet6, Addr{Family: Inet6}}, // no address at all
		{Inet, Addr{Family: Inet, IP: Loopback(Inet6)}},
	} {
		_, err := row.addr.sockaddr(row.socket)
		require.ErrorIs(t, err, unix.EAFNOSUPPORT, "%+v", row)
		require.ErrorIs(t, w.startConnect(row.socket, row.addr, -1).error(), unix.EAFNOSUPPORT)
		w.do(func() {
			_, err := w.st.Listen(row.socket, &row.addr, with())
			require.Error(t, err)
			require.Empty(t, w.st.sockets, "nothing is left of it")
		})
	}
}

func TestBoundSource(t *testing.T) {
	w := newWorld(t, Config{})
	l, at := w.listen(Inet)
	connect := func(from Addr) (*Socket, error) {
		a := w.answer()
		w.do(func() { w.st.Connect(Inet, at, &from, with(), -1, a) })
		err := a.error()
		return a.s, err
	}
	source := Addr{Family: Inet, IP: netip.MustParseAddr("127.0.0.2")}
	s, err := connect(source)
	require.NoError(t, err)
	_, peer := w.names(w.startAccept(l, -1, false).socket())
	require.Equal(t, source.IP, peer.IP)
	own, _ := w.names(s)
	require.Equal(t, source.IP, own.IP)
	_, err = connect(Addr{Family: Inet, IP: netip.MustParseAddr("192.0.2.1")})
	require.ErrorIs(t, err, unix.EADDRNOTAVAIL)
	_, err = connect(Addr{Family: Inet6, IP: Loopback(Inet6)})
	require.ErrorIs(t, err, unix.EAFNOSUPPORT)
}

func TestLocalNames(t *testing.T) {
	dir := filepath.Dir(localPath(t))
	t.Chdir(dir)
	for name, path := range map[string]string{
		"absolute":        filepath.Join(dir, "a"),
		"relative":        "b",
		"with an @":       "@c",
		"abstract":        "\x00gentcp test " + dir,
		"abstract with @": "\x00@gentcp test " + dir,
		"longest":         filepath.Join(dir, strings.Repeat("x", 106-len(dir))),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{})
			at := Addr{Family: Local, Path: path}
			var l *Socket
			w.do(func() {
				var err error
				l, err = w.st.Listen(Local, &at, with())
				require.NoError(t, err)
				own, err := l.Sockname()
				require.NoError(t, err)
				require.Equal(t, at, own)
			})
			a := w.startAccept(l, -1, false)
			client := w.connect(Local, at)
			unbound := Addr{Family: Local}
			own, peer := w.names(client)
			require.Equal(t, unbound, own)
			require.Equal(t, at, peer)
			own, peer = w.names(a.socket())
			require.Equal(t, at, own)
			require.Equal(t, unbound, peer)
			w.do(l.CloseNow)
			if path[0] != 0 {
				_, err := os.Stat(path)
				require.NoError(t, err, "close does not remove the path")
				require.ErrorIs(t, w.startConnect(Local, at, -1).error(), unix.ECONNREFUSED)
			}
		})
	}
}

func TestLocalNamesThatCannotBe(t *testing.T) {
	w := newWorld(t, Config{})
	path := localPath(t)
	listen := func(path string) (err error) {
		w.do(func() { _, err = w.st.Listen(Local, &Addr{Family: Local, Path: path}, with()) })
		return err
	}
	require.NoError(t, listen(path))
	require.ErrorIs(t, listen(path), unix.EADDRINUSE)
	require.ErrorIs(t, listen(path+"/x"), unix.ENOTDIR)
	require.ErrorIs(t, listen(filepath.Dir(path)+"/none/x"), unix.ENOENT)
	require.ErrorIs(t, listen(strings.Repeat("x", 108)), unix.EINVAL)
	require.ErrorIs(t, w.startConnect(Local, Addr{Family: Local, Path: path + "none"}, -1).error(), unix.ENOENT)
	w.do(func() { require.Len(t, w.st.sockets, 1) })
}

func TestLocalAutobind(t *testing.T) {
	w := newWorld(t, Config{})
	w.do(func() {
		l, err := w.st.Listen(Local, &Addr{Family: Local}, with())
		require.NoError(t, err)
		own, err := l.Sockname()
		require.NoError(t, err)
		require.Regexp(t, "^\x00[0-9a-f]{5}$", own.Path, "a name that Linux has made up")
	})
}

func TestNamesOfPosixErrors(t *testing.T) {
	for want, err := range map[string]error{
		"closed": ErrClosed, "timeout": ErrTimeout, "cancelled": ErrCancelled, "exbadport": ErrBadPort,
		"econnrefused": unix.ECONNREFUSED, "econnreset": unix.ECONNRESET, "eagain": unix.EWOULDBLOCK,
		"emfile": unix.EMFILE, "eaddrinuse": unix.EADDRINUSE, "enobufs": unix.ENOBUFS,
		"einval": os.ErrDeadlineExceeded, "enoent": &os.PathError{Err: unix.ENOENT},
	} {
		require.Equal(t, want, PosixName(err))
	}
	require.Equal(t, "einval", PosixName(syscall.Errno(99999)))
}
