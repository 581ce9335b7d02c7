% @doc The atoms that a port program may name.
%
% Frames are read in a way that makes no atoms (see {@link gentcp_proto:decode/1}), since no
% atom ever goes away and a node with too many of them ends. So those that a good program
% writes have to be there before: as soon as this module is loaded. Names that a
% caller has sent, such as those of options, are there anyhow, and the names of methods and headers of
% http are made by the VM at its start.
% @private
-module(gentcp_atoms).

-export([known/0]).

-spec known() -> [atom()].
known() ->
    [
    % The hello.
    hello, version, os_pid, max_frame, max_sockets, features, sendfile, fd, netns, faults, trace,
    % Messages, and reasons that are not of POSIX.
    reply, ok, error, tcp, http, ssl_tls, data, tcp_passive, tcp_error, tcp_closed, gone,
    normal, credit, ahead, recall, to, lines, unsure, bad_option, bad_command, bad_fault,
    ealready, hello_expected, pong, efault,
    % Options and addresses, packet modes, statistics and states.
    active, add_membership, backlog, binary, bind_to_device, buffer, debug, delay_send, deliver,
    dontroute, drop_membership, exclusiveaddruse, exit_on_close, header, high_msgq_watermark,
    high_watermark, ipv6_v6only, keepalive, linger, line_delimiter, list, local,
    low_msgq_watermark, low_watermark, mode, multicast_if, nodelay, nopush, packet, packet_size,
    pktoptions, port, priority, protocol, raw, read_ahead, read_packets, recbuf, recvtclass,
    recvtos, recvttl, reuseaddr, reuseport, reuseport_lb, send_timeout, send_timeout_close,
    show_econnreset, sndbuf, tclass, term, tos, ttl, true, false, once, undefined, infinity,
    any, loopback, inet, inet6, family, addr, scope_id, flowinfo, path, abs_path, absoluteURI,
    scheme, asn1, cdr, sunrm, fcgi, line, tpkt, ssl, http, http_bin, httph, httph_bin,
    http_request, http_response, http_header, http_eoh, http_error, recv_oct, recv_cnt,
    recv_max, recv_avg, recv_dvi, send_oct, send_cnt, send_max, send_avg, send_pend, states,
    counters, input, output, open, listen, accepting, bound, busy, connected, connecting, closed,
    % Errors of Linux, macOS and FreeBSD.
    cancelled, closed, e2big, eacces, eaddrinuse, eaddrnotavail, eadv, eafnosupport, eagain,
    ealready, eauth, ebadarch, ebade, ebadexec, ebadf, ebadfd, ebadmacho, ebadmsg, ebadr,
    ebadrpc, ebadrqc, ebadslt, ebfont, ebusy, ecanceled, ecapmode, echild, echrng, ecomm,
    econnaborted, econnrefused, econnreset, edeadlk, edestaddrreq, edeverr, edom, edoofus,
    edotdot, edquot, eexist, efault, efbig, efscorrupted, eftype, ehostdown, ehostunreach,
    ehwpoison, eidrm, eilseq, einprogress, eintegrity, eintr, einval, eio, eisconn, eisdir,
    eisnam, ekeyexpired, ekeyrejected, ekeyrevoked, el2hlt, el2nsync, el3hlt, el3rst, elibacc,
    elibbad, elibexec, elibmax, elibscn, elnrng, eloop, emediumtype, emfile, emlink, emsgsize,
    emultihop, enametoolong, enavail, eneedauth, enetdown, enetreset, enetunreach, enfile,
    enoano, enoattr, enobufs, enocsi, enodata, enodev, enoent, enoexec, enokey, enolck, enolink,
    enomedium, enomem, enomsg, enonet, enopkg, enopolicy, enoprotoopt, enospc, enosr, enostr,
    enosys, enotblk, enotcapable, enotconn, enotdir, enotempty, enotnam, enotrecoverable,
    enotsock, enotsup, enotty, enotuniq, enxio, eopnotsupp, eoverflow, eownerdead, eperm,
    epfnosupport, epipe, eproclim, eprocunavail, eprogmismatch, eprogunavail, eproto,
    eprotonosupport, eprototype, epwroff, eqfull, erange, eremchg, eremote, eremoteio, erestart,
    erfkill, erofs, erpcmismatch, eshlibvers, eshutdown, esocktnosupport, espipe, esrch, esrmnt,
    estale, estrpipe, etime, etimedout, etoomanyrefs, etxtbsy, eunatch, eusers, ewouldblock,
    exbadport, exdev, exfull, timeout,
    % Faults: what is known of them, and why one is refused.
    seed, injected, dropped, now, in, out, accept, connect, recv, send, close, record,
    range, unknown_fault, unknown_call, unknown_outcome, unknown_posix, unknown_end, unknown_unit,
    unknown_selector, unknown_direction, unknown_family, bad_number, bad_address, bad_list,
    two_directions, not_a_stream_fault, too_deep, too_many
    ].
