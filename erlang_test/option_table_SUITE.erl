%% @doc The options of a TCP socket as data: `do_rows/1' has one row per
%% option, and the cases check a theme of rows against one use of an option
%% (default, setopts, the two option lists, bad types, accepted sockets). A
%% failure lists the options that differ. Options that need more than a row
%% have cases of their own below.
-module(option_table_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(tcp_pairs, [close/2]).

suite() -> [{timetrap, {seconds, 30}}].

all() -> driver_groups:all().

groups() -> driver_groups:groups(cases()).

init_per_group(Group, Config) -> driver_groups:init(Group, Config).

end_per_group(Group, Config) -> driver_groups:done(Group, Config).

cases() ->
    [delivery_defaults, closing_defaults, sending_defaults, kernel_defaults, ipv4_defaults,
     delivery_in_setopts, closing_in_setopts, sending_in_setopts, kernel_in_setopts,
     ipv4_in_setopts,
     delivery_in_connect, closing_in_connect, sending_in_connect, kernel_in_connect,
     ipv4_in_connect,
     delivery_inherited, closing_inherited, sending_inherited, kernel_inherited,
     ipv4_inherited,
     delivery_bad_types, closing_bad_types, sending_bad_types, kernel_bad_types,
     ipv4_bad_types,
     release_27_options, read_ahead_leaves_bytes_in_the_kernel, reuseport_shares_a_port,
     names_refused_by_connect, names_refused_by_listen, names_refused_by_setopts,
     names_refused_by_getopts, setopts_only_flags,
     active_bounds, active_count_is_copied_by_accept, active_zero_in_lists,
     mode_atoms, mode_and_header_shape_the_data, line_delimiter_is_write_only,
     line_delimiter_is_not_inherited, packet_size_is_32_bits, buffer_is_at_least_one,
     buffer_caps_raw_chunks, recbuf_raises_buffer, recbuf_spares_a_buffer_that_was_set,
     recbuf_of_a_listener, recbuf_and_buffer_in_one_list,
     watermarks_push_each_other, msgq_watermarks_push_each_other, negative_watermarks,
     msgq_watermark_refusals, debug_is_not_inherited,
     ttl_refusals, linger_parts, tos_and_priority_are_independent,
     tclass_on_ipv6, tclass_on_ipv4, ipv6_v6only_on_listeners, ipv6_v6only_refusals,
     local_sockets, pktoptions_are_read_only, pktoptions_of_a_connection,
     bind_to_device, bind_to_device_refusals, netns_left_out_until_set, netns_refusals,
     raw_in_setopts_and_getopts, raw_as_a_pair, raw_in_lists, raw_refusals, fd_refusals,
     udp_options_are_harmless, membership_is_harmless, read_packets_is_ignored].

%%
%% The table
%%

%% `set' holds what setopts and the lists accept, as `Value' or as
%% `{Value, reads, ReadBack}' where getopts answers something else. A theme's rows
%% are accepted by connect, listen, setopts and getopts alike, and accepted
%% sockets inherit them. `default' is missing where the kernel decides.
do_rows(delivery) ->
    [#{name => active, default => false,        % the pairs of tcp_pairs are passive
       set => [true, once, false, 1, 5, 32767],
       bad => [32768, -32769, sometimes, "true", <<"once">>, 1.0, undefined]},
     #{name => mode, default => binary,         % likewise
       set => [list, binary],
       bad => [text, undefined, 1, "binary", <<"list">>]},
     #{name => packet, default => 0,
       set => [1, 2, 4, 0, {raw, reads, 0}, asn1, sunrm, cdr, fcgi, tpkt, line, http, http_bin, httph,
               httph_bin, ssl, {ssl_tls, reads, ssl}],
       bad => [3, 8, -1, "raw", <<"line">>, ftp, undefined, 1.0]},
     #{name => packet_size, default => 0,
       set => [1, 100, 16#7fffffff, 16#ffffffff, 0],
       bad => [-1, infinity, "1", 1.0, undefined]},
     #{name => header, default => 0,
       set => [1, 4, 5000, 0],
       bad => [-1, "1", true, 1.0, undefined]},
     #{name => deliver, default => term,
       set => [port, term],
       bad => [message, undefined, "term", 1]},
     #{name => buffer, default => running_otp:buffer(),
       set => [1, 100, 1460, 9000, 1000000, {0, reads, 1}, {-5, reads, 1}],
       bad => ["1460", infinity, 1.0, undefined]}];
do_rows(closing) ->
    [#{name => exit_on_close, default => true,
       set => [false, true], bad => do_no_booleans()},
     #{name => show_econnreset, default => false,
       set => [true, false], bad => do_no_booleans()},
     #{name => send_timeout_close, default => false,
       set => [true, false], bad => do_no_booleans()},
     #{name => linger, default => {false, 0},
       set => [{true, 3}, {true, 0}, {false, 0}],
       bad => [true, {true, foo}, {1, 1}, {true, 1, 1}, {undefined, 3}, [true, 3], {true, 1.0}]}];
do_rows(sending) ->
    [#{name => send_timeout, default => infinity,
       set => [0, 1, 30000, 16#7fffffff, infinity],
       bad => [-1, "1", never, 1.0, undefined]},
     #{name => delay_send, default => false,
       set => [true, false], bad => do_no_booleans()},
     %% Values on their own side of the other watermark: pushing it along has
     %% a case of its own.
     #{name => high_watermark, default => 8192,
       set => [4096, 8192, 1000000], bad => do_no_integers()},
     #{name => low_watermark, default => 4096,
       set => [0, 1, 4096, 8192, {-1, reads, 0}], bad => do_no_integers()},
     #{name => high_msgq_watermark, default => 8192,
       set => [1, 4096, 8192, 1000000], bad => do_no_integers()},
     #{name => low_msgq_watermark, default => 4096,
       set => [1, 4096, 8192], bad => do_no_integers()}];
do_rows(kernel) ->
    [#{name => keepalive, default => false,
       set => [true, false], bad => do_no_booleans()},
     #{name => nodelay, default => false,
       set => [true, false], bad => do_no_booleans()},
     #{name => reuseaddr, default => false,
       set => [true, false], bad => do_no_booleans()},
     #{name => priority, default => 0,
       set => [1, 6, 0], bad => do_no_integers()},
     %% Linux doubles both.
     #{name => recbuf,
       set => [{8000, reads, 16000}, {20000, reads, 40000}], bad => do_no_integers()},
     #{name => sndbuf,
       set => [{8000, reads, 16000}, {20000, reads, 40000}], bad => do_no_integers()}];
do_rows(ipv4) ->
    [#{name => tos, default => 0,
       set => [16, 32, 252, 0], bad => do_no_integers()},
     #{name => ttl, default => do_kernel_ttl(),
       set => [1, 5, 255, {-1, reads, do_kernel_ttl()}], bad => do_no_integers()},
     #{name => recvtos, default => false,
       set => [true, false], bad => do_no_booleans()},
     #{name => recvttl, default => false,
       set => [true, false], bad => do_no_booleans()}].

do_no_booleans() ->
    [undefined, 1, 0, "true", <<"true">>, yes].

do_no_integers() ->
    [undefined, true, infinity, "1", <<1>>, 1.0, {1, 1}].

%% Options that a newer OTP added, and where it accepts them.
do_new_rows() ->
    [#{name => read_ahead, default => true, set => [false, true], bad => do_no_booleans()},
     #{name => reuseport, default => false, set => [true, false], bad => do_no_booleans()},
     #{name => reuseport_lb, default => false, set => [true, false], bad => do_no_booleans()},
     #{name => exclusiveaddruse, default => false, set => [{true, reads, false}, false],
       bad => do_no_booleans()}].

%%
%% Defaults
%%

%% Defaults: the options that shape what is delivered (active, mode, packet, ...).
delivery_defaults(_) ->
    do_check_defaults(delivery),
    %% What tcp_pairs overrides.
    Peer = tcp_pairs:peer_listen(),
    {ok, S} = gen_tcp:connect({127, 0, 0, 1}, tcp_pairs:peer_port(Peer), []),
    {ok, L} = gen_tcp:listen(0, []),
    ?assertEqual({ok, [{active, true}, {mode, list}]}, inet:getopts(S, [active, mode])),
    ?assertEqual({ok, [{active, true}, {mode, list}]}, inet:getopts(L, [active, mode])),
    close([S, L], []),
    tcp_pairs:peer_close(Peer).

%% Defaults: exit_on_close, show_econnreset, send_timeout_close, linger.
closing_defaults(_) -> do_check_defaults(closing).

%% Defaults: send_timeout, delay_send and the watermarks.
sending_defaults(_) -> do_check_defaults(sending).

%% Defaults: keepalive, nodelay, reuseaddr, priority.
kernel_defaults(_) -> do_check_defaults(kernel).

%% Defaults: tos, ttl, recvtos, recvttl.
ipv4_defaults(_) -> do_check_defaults(ipv4).

do_check_defaults(Theme) ->
    {L, Port} = tcp_pairs:listen(),
    {ok, C} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    {ok, S} = gen_tcp:accept(L),
    rows:each([Row || #{default := _} = Row <- do_rows(Theme)],
            fun(#{name := Name, default := Default}) ->
                [?assertEqual({Which, {ok, [{Name, Default}]}},
                              {Which, inet:getopts(Socket, [Name])})
                 || {Which, Socket} <- [{listening, L}, {connected, C}, {accepted, S}]]
            end),
    close([S, C, L], []).

%%
%% Domains
%%

%% setopts takes the whole domain, and getopts shows it, on connected and listening sockets.
delivery_in_setopts(_) -> do_check_setopts(delivery).

%% In setopts: the same for exit_on_close, show_econnreset, send_timeout_close, linger.
closing_in_setopts(_) -> do_check_setopts(closing).

%% In setopts: the same for send_timeout, delay_send and the watermarks.
sending_in_setopts(_) -> do_check_setopts(sending).

%% In setopts: the same for keepalive, nodelay, reuseaddr, priority, recbuf, sndbuf.
kernel_in_setopts(_) -> do_check_setopts(kernel).

%% In setopts: the same for tos, ttl, recvtos, recvttl.
ipv4_in_setopts(_) -> do_check_setopts(ipv4).

do_check_setopts(Theme) ->
    rows:each(do_rows(Theme), fun(Row) -> do_check_setopts_row(Row) end).

do_check_setopts_row(#{name := Name} = Row) ->
    [begin
         {L, _} = tcp_pairs:listen(),
         {S, Peer} = tcp_pairs:connect_to_peer([]),
         [?assertEqual({Which, Value, ok, {ok, [{Name, ReadBack}]}},
                       {Which, Value, inet:setopts(Socket, [{Name, Value}]),
                        inet:getopts(Socket, [Name])})
          || {Which, Socket} <- [{connected, S}, {listening, L}]],
         close([S, L], []),
         tcp_pairs:peer_close(Peer)
     end || {Value, ReadBack} <- do_domain(Row)].

%% The option list of connect takes the whole domain.
delivery_in_connect(_) -> do_check_connect(delivery).

%% In connect: the same for exit_on_close, show_econnreset, send_timeout_close, linger.
closing_in_connect(_) -> do_check_connect(closing).

%% In connect: the same for send_timeout, delay_send and the watermarks.
sending_in_connect(_) -> do_check_connect(sending).

%% In connect: the same for keepalive, nodelay, reuseaddr, priority, recbuf, sndbuf.
kernel_in_connect(_) -> do_check_connect(kernel).

%% In connect: the same for tos, ttl, recvtos, recvttl.
ipv4_in_connect(_) -> do_check_connect(ipv4).

do_check_connect(Theme) ->
    rows:each(do_rows(Theme), fun(Row) -> do_check_connect_row(Row) end).

do_check_connect_row(#{name := Name} = Row) ->
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer([{Name, Value}]),
         ?assertEqual({Value, {ok, [{Name, ReadBack}]}}, {Value, inet:getopts(S, [Name])}),
         close([S], []),
         tcp_pairs:peer_close(Peer)
     end || {Value, ReadBack} <- do_domain(Row)].

%% The option list of listen takes the whole domain and accepted sockets
%% have the listener's values.
delivery_inherited(_) -> do_check_inherited(delivery).

%% In listen, inherited: the same for exit_on_close, show_econnreset, send_timeout_close, linger.
closing_inherited(_) -> do_check_inherited(closing).

%% In listen, inherited: the same for send_timeout, delay_send and the watermarks.
sending_inherited(_) -> do_check_inherited(sending).

%% In listen, inherited: the same for keepalive, nodelay, reuseaddr, priority, recbuf, sndbuf.
kernel_inherited(_) -> do_check_inherited(kernel).

%% In listen, inherited: the same for tos, ttl, recvtos, recvttl.
ipv4_inherited(_) -> do_check_inherited(ipv4).

do_check_inherited(Theme) ->
    rows:each(do_rows(Theme), fun(Row) -> do_check_inherited_row(Row) end).

do_check_inherited_row(#{name := Name} = Row) ->
    [begin
         {L, Port} = tcp_pairs:listen([{Name, Value}]),
         Peer = tcp_pairs:peer_connect(Port),
         {ok, S} = gen_tcp:accept(L, 5000),
         [?assertEqual({Which, Value, {ok, [{Name, ReadBack}]}},
                       {Which, Value, inet:getopts(Socket, [Name])})
          || {Which, Socket} <- [{listening, L}, {accepted, S}]],
         close([S, L], []),
         tcp_pairs:peer_close(Peer)
     end || {Value, ReadBack} <- do_domain(Row)].

%%
%% Bad types
%%

%% A bad type: exit(badarg) from connect and listen, einval from setopts, value untouched.
delivery_bad_types(_) -> do_check_bad_types(delivery).

%% Bad types: the same for exit_on_close, show_econnreset, send_timeout_close, linger.
closing_bad_types(_) -> do_check_bad_types(closing).

%% Bad types: the same for send_timeout, delay_send and the watermarks.
sending_bad_types(_) -> do_check_bad_types(sending).

%% Bad types: the same for keepalive, nodelay, reuseaddr, priority, recbuf, sndbuf.
kernel_bad_types(_) -> do_check_bad_types(kernel).

%% Bad types: the same for tos, ttl, recvtos, recvttl.
ipv4_bad_types(_) -> do_check_bad_types(ipv4).

do_check_bad_types(Theme) ->
    rows:each(do_rows(Theme), fun(Row) -> do_check_bad_types_row(Row) end).

do_check_bad_types_row(#{name := Name, bad := Bad}) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {L, _} = tcp_pairs:listen(),
    [begin
         Before = inet:getopts(Socket, [Name]),
         ?assertEqual({Value, {error, einval}}, {Value, inet:setopts(Socket, [{Name, Value}])}),
         ?assertEqual({Value, Before}, {Value, inet:getopts(Socket, [Name])})
     end || Value <- Bad, Socket <- [S, L]],
    [?assertEqual({Value, badarg, badarg},
                  {Value, do_connect_exit([{Name, Value}]), do_listen_exit([{Name, Value}])})
     || Value <- Bad],
    close([S, L], []),
    tcp_pairs:peer_close(Peer).

%%
%% Names and lists
%%

%% From OTP 27 on read_ahead, reuseport, reuseport_lb and exclusiveaddruse are ordinary options
%% from OTP 27 on and unknown to OTP 25; non_block_send is one of setopts and getopts only.
release_27_options(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    case do_release() of
        Release when Release >= 27 ->
            rows:each(do_new_rows(),
                    fun(#{name := Name, default := Default} = Row) ->
                        ?assertEqual({ok, [{Name, Default}]}, inet:getopts(S, [Name])),
                        do_check_setopts_row(Row),
                        do_check_connect_row(Row),
                        do_check_bad_types_row(Row),
                        [close([element(1, tcp_pairs:listen([{Name, Value}]))], [])
                         || {Value, _} <- do_domain(Row)]
                    end),
            {A, Peer2} = tcp_pairs:accept_from_peer([{read_ahead, false}]),
            ?assertEqual({ok, [{read_ahead, false}]}, inet:getopts(A, [read_ahead])),
            close([A], []),
            tcp_pairs:peer_close(Peer2),
            ?assertEqual(ok, inet:setopts(S, [{non_block_send, true}])),
            ?assertMatch({ok, [{non_block_send, _}]}, inet:getopts(S, [non_block_send])),
            ?assertEqual(badarg, do_connect_exit([{non_block_send, true}])),
            ?assertEqual(badarg, do_listen_exit([{non_block_send, true}]));
        25 ->
            rows:each([#{name => non_block_send} | do_new_rows()],
                    fun(#{name := Name}) ->
                        ?assertEqual({error, einval}, inet:setopts(S, [{Name, false}])),
                        ?assertEqual({error, einval}, inet:getopts(S, [Name])),
                        ?assertEqual(badarg, do_connect_exit([{Name, false}])),
                        ?assertEqual(badarg, do_listen_exit([{Name, false}]))
                    end);
        26 ->
            ct:comment("OTP 26 knows some of them; not described")
    end,
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% read_ahead (OTP 27): without it the bytes behind a packet stay in the kernel.
read_ahead_leaves_bytes_in_the_kernel(_) ->
    case do_release() of
        Release when Release >= 27 ->
            [begin
                 {S, Peer} = tcp_pairs:accept_from_peer([{packet, 2}, {read_ahead, ReadAhead}]),
                 tcp_pairs:peer_send(Peer, <<3:16, "abc", 4:16, "defg">>),
                 tcp_pairs:arrived(S, 11),
                 ?assertEqual({ok, <<"abc">>}, gen_tcp:recv(S, 0, 5000)),
                 ?assertEqual({ReadAhead, Unread}, {ReadAhead, do_unread(S)}),
                 ?assertEqual({ok, <<"defg">>}, gen_tcp:recv(S, 0, 5000)),
                 close([S], []),
                 tcp_pairs:peer_close(Peer)
             end || {ReadAhead, Unread} <- [{true, 0}, {false, 6}]];
        _ ->
            %% The option does not exist there: release_27_options.
            ?assertEqual(badarg, do_listen_exit([{read_ahead, false}]))
    end.

%% What the kernel holds for a connection that nobody has read yet: RXQUEUE in a line of
%% /proc/net/tcp, "0: 0100007F:1F90 0100007F:A1B2 01 TXQUEUE:RXQUEUE ...".
do_unread(S) ->
    {ok, {_, Port}} = inet:sockname(S),
    {ok, {_, PeerPort}} = inet:peername(S),
    {ok, Table} = file:read_file("/proc/net/tcp"),
    Line = io_lib:format(":~4.16.0B [0-9A-F]{8}:~4.16.0B 01 [0-9A-F]{8}:([0-9A-F]{8}) ",
                         [Port, PeerPort]),
    {match, [Unread]} = re:run(Table, Line, [{capture, all_but_first, binary}]),
    binary_to_integer(Unread, 16).

%% reuseport (OTP 27): one kernel flag under two names, and two listeners on one port.
reuseport_shares_a_port(_) ->
    case do_release() of
        Release when Release >= 27 ->
            {L1, Port} = tcp_pairs:listen([{reuseport, true}]),
            ?assertEqual({ok, [{reuseport, true}, {reuseport_lb, true}]},
                         inet:getopts(L1, [reuseport, reuseport_lb])),
            {ok, L2} = gen_tcp:listen(Port, [{ip, {127, 0, 0, 1}}, {reuseport_lb, true}]),
            close([L1, L2], []);
        Release ->
            %% The option does not exist there: the port stays taken.
            {L, Port} = tcp_pairs:listen([{reuseaddr, true}]),
            ?assertEqual({Release, {error, eaddrinuse}},
                         {Release, gen_tcp:listen(Port, [{ip, {127, 0, 0, 1}},
                                                         {reuseaddr, true}])}),
            close([L], [])
    end.

%% Names that are no connect options are exit(badarg), and nobody is connected to.
names_refused_by_connect(_) ->
    Refused = [{backlog, 5}, {ipv6_v6only, true}, {nopush, true}, {dontroute, true},
               {pktoptions, []}, {broadcast, true}, {multicast_ttl, 3}, {multicast_loop, true},
               {multicast_if, {127, 0, 0, 1}}, {read_packets, 5}, {sctp_nodelay, true},
               {sctp_autoclose, 1}, {add_membership, {{224, 0, 0, 1}, {127, 0, 0, 1}}},
               {no_such_option, 1}, no_such_option, {1, 2}, {active, true, 1}, 17, "active", active],
    rows:each([#{name => Opt} || Opt <- Refused],
            fun(#{name := Opt}) -> ?assertEqual(badarg, do_connect_exit([Opt])) end).

%% Names that are no listen options are exit(badarg).
names_refused_by_listen(_) ->
    Refused = [{line_delimiter, $;}, {nopush, true}, {dontroute, true}, {pktoptions, []},
               {broadcast, true}, {multicast_ttl, 3}, {multicast_loop, true},
               {multicast_if, {127, 0, 0, 1}}, {read_packets, 5}, {sctp_nodelay, true},
               {sctp_autoclose, 1}, {add_membership, {{224, 0, 0, 1}, {127, 0, 0, 1}}},
               {no_such_option, 1}, no_such_option, {1, 2}, {active, true, 1}, 17, "active", active],
    rows:each([#{name => Opt} || Opt <- Refused],
            fun(#{name := Opt}) -> ?assertEqual(badarg, do_listen_exit([Opt])) end).

%% What only creates a socket, sctp_* and unknown names are einval in setopts.
names_refused_by_setopts(_) ->
    Refused = [{fd, 5}, {ip, {127, 0, 0, 1}}, {ifaddr, {127, 0, 0, 1}}, {port, 0}, {backlog, 5},
               inet, inet6, local, {tcp_module, inet_tcp}, {inet_backend, inet},
               {sctp_nodelay, true}, {sctp_autoclose, 1},
               {pktoptions, []}, {no_such_option, 1}, no_such_option, {1, 2},
               {active, true, 1}, 17, "active", active, {raw, 1, 2}, {}],
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {L, _} = tcp_pairs:listen(),
    rows:each([#{name => Opt} || Opt <- Refused],
            fun(#{name := Opt}) ->
                ?assertEqual({error, einval}, inet:setopts(S, [Opt])),
                ?assertEqual({error, einval}, inet:setopts(L, [Opt]))
            end),
    close([S, L], []),
    tcp_pairs:peer_close(Peer).

%% Names that getopts does not know, and the {Name, Value} form, are einval.
names_refused_by_getopts(_) ->
    Refused = [list, binary, line_delimiter, fd, ip, ifaddr, port, backlog, inet, inet6,
               tcp_module, sctp_nodelay, sctp_autoclose, no_such_option, raw, {raw, 1, 2},
               {active, true}, {packet, 0}, 17, "active", {}],
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {L, _} = tcp_pairs:listen(),
    rows:each([#{name => Opt} || Opt <- Refused],
            fun(#{name := Opt}) ->
                ?assertEqual({error, einval}, inet:getopts(S, [Opt])),
                ?assertEqual({error, einval}, inet:getopts(L, [Opt]))
            end),
    close([S, L], []),
    tcp_pairs:peer_close(Peer).

%% nopush, dontroute: setopts and getopts only.
setopts_only_flags(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    rows:each([#{name => Name} || Name <- [nopush, dontroute]],
            fun(#{name := Name}) ->
                ?assertEqual({ok, [{Name, false}]}, inet:getopts(S, [Name])),
                ?assertEqual(ok, inet:setopts(S, [{Name, true}])),
                ?assertEqual({ok, [{Name, true}]}, inet:getopts(S, [Name])),
                ?assertEqual(ok, inet:setopts(S, [{Name, false}])),
                ?assertEqual({ok, [{Name, false}]}, inet:getopts(S, [Name])),
                [?assertEqual({Bad, {error, einval}}, {Bad, inet:setopts(S, [{Name, Bad}])})
                 || Bad <- do_no_booleans()]
            end),
    close([S], []),
    tcp_pairs:peer_close(Peer).

%%
%% Delivery
%%

%% active: -32768..32767 everywhere; a count of zero or less leaves the socket passive.
active_bounds(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    ?assertEqual(ok, inet:setopts(S, [{active, -32768}])),
    ?assertEqual({ok, [{active, false}]}, inet:getopts(S, [active])),
    receive {tcp_passive, S} -> ok after 1000 -> ct:fail(no_tcp_passive) end,
    ?assertEqual(ok, inet:setopts(S, [{active, 32767}])),
    ?assertEqual({error, einval}, inet:setopts(S, [{active, 1}])),
    ?assertEqual({ok, [{active, 32767}]}, inet:getopts(S, [active])),
    close([S], []),
    tcp_pairs:peer_close(Peer),
    ok = mailbox:none().

%% active: an accepted socket starts with the listener's count, and the listener keeps it.
active_count_is_copied_by_accept(_) ->
    {L, Port} = tcp_pairs:listen([{active, 2}]),
    [begin
         Peer = tcp_pairs:peer_connect(Port),
         {ok, S} = gen_tcp:accept(L, 5000),
         ?assertEqual({ok, [{active, 2}]}, inet:getopts(S, [active])),
         tcp_pairs:peer_send(Peer, <<"a">>),
         receive {tcp, S, <<"a">>} -> ok after 5000 -> ct:fail(no_data) end,
         ?assertEqual({ok, [{active, 1}]}, inet:getopts(S, [active])),
         ?assertEqual({ok, [{active, 2}]}, inet:getopts(L, [active])),
         close([S], []),
         tcp_pairs:peer_close(Peer)
     end || _ <- [1, 2]],
    close([L], []).

%% active: {active, 0} in a list makes a passive socket and a tcp_passive for its owner;
%% a socket that such a listener accepts is passive and sends none.
active_zero_in_lists(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{active, 0}]),
    ?assertEqual({ok, [{active, false}]}, inet:getopts(S, [active])),
    receive {tcp_passive, S} -> ok after 1000 -> ct:fail(no_tcp_passive) end,
    {L, Port} = tcp_pairs:listen([{active, -3}]),
    ?assertEqual({ok, [{active, false}]}, inet:getopts(L, [active])),
    receive {tcp_passive, L} -> ok after 1000 -> ct:fail(no_tcp_passive_for_listener) end,
    Peer2 = tcp_pairs:peer_connect(Port),
    {ok, A} = gen_tcp:accept(L, 5000),
    ?assertEqual({ok, [{active, false}]}, inet:getopts(A, [active])),
    close([S, L, A], []),
    tcp_pairs:peer_close(Peer),
    tcp_pairs:peer_close(Peer2),
    ok = mailbox:none().

%% mode: the atoms list and binary are accepted by connect, listen and setopts.
mode_atoms(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([list]),
    ?assertEqual({ok, [{mode, list}]}, inet:getopts(S, [mode])),
    ?assertEqual(ok, inet:setopts(S, [binary])),
    ?assertEqual({ok, [{mode, binary}]}, inet:getopts(S, [mode])),
    ?assertEqual(ok, inet:setopts(S, [list])),
    ?assertEqual({ok, [{mode, list}]}, inet:getopts(S, [mode])),
    {L, _} = tcp_pairs:listen([binary, list]),
    ?assertEqual({ok, [{mode, list}]}, inet:getopts(L, [mode])),
    {L2, _} = tcp_pairs:listen([list, binary]),
    ?assertEqual({ok, [{mode, binary}]}, inet:getopts(L2, [mode])),
    close([S, L, L2], []),
    tcp_pairs:peer_close(Peer).

%% mode, header: what an accepted socket inherits shows in its data.
mode_and_header_shape_the_data(_) ->
    {S, Peer} = tcp_pairs:accept_from_peer([binary, {header, 2}]),
    tcp_pairs:peer_send(Peer, <<1, 2, 3, 4>>),
    ?assertEqual({ok, [1, 2 | <<3, 4>>]}, gen_tcp:recv(S, 4, 5000)),
    ok = inet:setopts(S, [{mode, list}]),
    tcp_pairs:peer_send(Peer, <<1, 2, 3, 4>>),
    ?assertEqual({ok, [1, 2, 3, 4]}, gen_tcp:recv(S, 4, 5000)),
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% line_delimiter: accepted by connect and setopts, any integer (its low 8 bits count), never
%% readable.
line_delimiter_is_write_only(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}, {line_delimiter, $;}]),
    tcp_pairs:peer_send(Peer, <<"one;two\n">>),
    ?assertEqual({ok, <<"one;">>}, gen_tcp:recv(S, 0, 5000)),
    ?assertEqual(ok, inet:setopts(S, [{line_delimiter, 256 + $\n}])),
    ?assertEqual({ok, <<"two\n">>}, gen_tcp:recv(S, 0, 5000)),
    ?assertEqual({error, einval}, inet:getopts(S, [line_delimiter])),
    [?assertEqual({Bad, {error, einval}}, {Bad, inet:setopts(S, [{line_delimiter, Bad}])})
     || Bad <- ["\n", <<"\n">>, lf, 1.0]],
    ?assertEqual(badarg, do_connect_exit([{line_delimiter, "\n"}])),
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% line_delimiter: setopts gives it to a listener, but accepted sockets start with newline.
line_delimiter_is_not_inherited(_) ->
    {L, Port} = tcp_pairs:listen([{packet, line}]),
    ?assertEqual(ok, inet:setopts(L, [{line_delimiter, $;}])),
    Peer = tcp_pairs:peer_connect(Port),
    {ok, S} = gen_tcp:accept(L, 5000),
    tcp_pairs:peer_send(Peer, <<"one;two\n">>),
    ?assertEqual({ok, <<"one;two\n">>}, gen_tcp:recv(S, 0, 5000)),
    close([S, L], []),
    tcp_pairs:peer_close(Peer).

%% packet_size, header: integers beyond 32 bits are accepted and cut to their low 32 bits.
packet_size_is_32_bits(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    ?assertEqual(ok, inet:setopts(S, [{packet_size, (1 bsl 32) + 7}])),
    ?assertEqual({ok, [{packet_size, 7}]}, inet:getopts(S, [packet_size])),
    ?assertEqual(ok, inet:setopts(S, [{buffer, (1 bsl 32) + 7}])),
    ?assertEqual({ok, [{buffer, 7}]}, inet:getopts(S, [buffer])),
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% buffer: less than 1 becomes 1, in all three lists.
buffer_is_at_least_one(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{buffer, 0}]),
    ?assertEqual({ok, [{buffer, 1}]}, inet:getopts(S, [buffer])),
    ?assertEqual(ok, inet:setopts(S, [{buffer, 100}])),
    ?assertEqual(ok, inet:setopts(S, [{buffer, -1}])),
    ?assertEqual({ok, [{buffer, 1}]}, inet:getopts(S, [buffer])),
    %% A buffer of one byte still moves data.
    tcp_pairs:peer_send(Peer, <<"abc">>),
    ?assertEqual([{ok, <<"a">>}, {ok, <<"b">>}, {ok, <<"c">>}],
                 [gen_tcp:recv(S, 0, 5000) || _ <- "abc"]),
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% buffer: a buffer that the user set caps a raw chunk, of recv(S, 0) and of messages.
buffer_caps_raw_chunks(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{buffer, 100}]),
    tcp_pairs:peer_send(Peer, <<0:2000>>),
    tcp_pairs:arrived(S, 250),
    ?assertEqual([100, 100, 50], [do_chunk_size(gen_tcp:recv(S, 0, 5000)) || _ <- [1, 2, 3]]),
    tcp_pairs:peer_send(Peer, <<0:2000>>),
    tcp_pairs:arrived(S, 500),
    ok = inet:setopts(S, [{active, true}]),
    ?assertEqual([100, 100, 50],
                 [receive {tcp, S, Data} -> byte_size(Data) after 5000 -> none end
                  || _ <- [1, 2, 3]]),
    close([S], []),
    tcp_pairs:peer_close(Peer).

do_chunk_size({ok, Data}) -> byte_size(Data).

%% recbuf: raises buffer to the size asked for, never lowers it.
recbuf_raises_buffer(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Buffer0 = running_otp:buffer(),
    Steps = [{1000, Buffer0}, {Buffer0 + 1, Buffer0 + 1}, {16000, 16000}, {3000, 16000},
             {17000, 17000}],
    [begin
         ?assertEqual(ok, inet:setopts(S, [{recbuf, Recbuf}])),
         ?assertEqual({Recbuf, {ok, [{buffer, Buffer}]}}, {Recbuf, inet:getopts(S, [buffer])})
     end || {Recbuf, Buffer} <- Steps],
    close([S], []),
    tcp_pairs:peer_close(Peer),
    {S2, Peer2} = tcp_pairs:connect_to_peer([{recbuf, 15000}]),
    ?assertEqual({ok, [{buffer, 15000}]}, inet:getopts(S2, [buffer])),
    close([S2], []),
    tcp_pairs:peer_close(Peer2).

%% recbuf: leaves a buffer alone that was ever set explicitly, even to its default.
recbuf_spares_a_buffer_that_was_set(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Buffer = running_otp:buffer(),
    ?assertEqual(ok, inet:setopts(S, [{buffer, Buffer}])),
    ?assertEqual(ok, inet:setopts(S, [{recbuf, 16000}])),
    ?assertEqual({ok, [{buffer, Buffer}]}, inet:getopts(S, [buffer])),
    close([S], []),
    tcp_pairs:peer_close(Peer),
    {S2, Peer2} = tcp_pairs:connect_to_peer([{buffer, 200}]),
    ?assertEqual(ok, inet:setopts(S2, [{recbuf, 6000}])),
    ?assertEqual({ok, [{buffer, 200}]}, inet:getopts(S2, [buffer])),
    close([S2], []),
    tcp_pairs:peer_close(Peer2).

%% recbuf, buffer: accepted sockets get the listener's buffer, whether set or raised by
%% recbuf, but not that it was set: their own recbuf raises it again.
recbuf_of_a_listener(_) ->
    {S, Peer} = tcp_pairs:accept_from_peer([{recbuf, 15000}]),
    ?assertEqual({ok, [{recbuf, 30000}, {buffer, 15000}]}, inet:getopts(S, [recbuf, buffer])),
    ?assertEqual(ok, inet:setopts(S, [{recbuf, 17000}])),
    ?assertEqual({ok, [{buffer, 17000}]}, inet:getopts(S, [buffer])),
    close([S], []),
    tcp_pairs:peer_close(Peer),
    {S2, Peer2} = tcp_pairs:accept_from_peer([{buffer, 300}]),
    ?assertEqual({ok, [{buffer, 300}]}, inet:getopts(S2, [buffer])),
    ?assertEqual(ok, inet:setopts(S2, [{recbuf, 7000}])),
    ?assertEqual({ok, [{buffer, 7000}]}, inet:getopts(S2, [buffer])),
    close([S2], []),
    tcp_pairs:peer_close(Peer2).

%% recbuf: with both in one list an explicit buffer wins in either order.
recbuf_and_buffer_in_one_list(_) ->
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer(Opts),
         ?assertEqual({Opts, {ok, [{buffer, 400}]}}, {Opts, inet:getopts(S, [buffer])}),
         {S2, Peer2} = tcp_pairs:connect_to_peer([]),
         ?assertEqual(ok, inet:setopts(S2, Opts)),
         ?assertEqual({Opts, {ok, [{buffer, 400}]}}, {Opts, inet:getopts(S2, [buffer])}),
         close([S, S2], []),
         tcp_pairs:peer_close(Peer),
         tcp_pairs:peer_close(Peer2)
     end || Opts <- [[{recbuf, 9000}, {buffer, 400}], [{buffer, 400}, {recbuf, 9000}]]].

%%
%% Sending
%%

%% high_watermark, low_watermark: setting one beyond the other moves the other along.
watermarks_push_each_other(_) ->
    do_check_watermarks(high_watermark, low_watermark,
                        [{{high, 100}, 100, 100}, {{high, 9000}, 9000, 100},
                         {{low, 20000}, 20000, 20000}, {{low, 50}, 20000, 50},
                         {{high, 0}, 0, 0}]).

%% high_msgq_watermark, low_msgq_watermark: the same.
msgq_watermarks_push_each_other(_) ->
    do_check_watermarks(high_msgq_watermark, low_msgq_watermark,
                        [{{high, 100}, 100, 100}, {{high, 9000}, 9000, 100},
                         {{low, 20000}, 20000, 20000}, {{low, 50}, 20000, 50},
                         {{high, 1}, 1, 1}]).

do_check_watermarks(HighName, LowName, Steps) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [begin
         Name = case Which of high -> HighName; low -> LowName end,
         ?assertEqual(ok, inet:setopts(S, [{Name, Value}])),
         ?assertEqual({Which, Value, {ok, [{HighName, High}, {LowName, Low}]}},
                      {Which, Value, inet:getopts(S, [HighName, LowName])})
     end || {{Which, Value}, High, Low} <- Steps],
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% high_watermark, low_watermark: negative becomes 0.
negative_watermarks(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{high_watermark, -1}]),
    ?assertEqual({ok, [{high_watermark, 0}, {low_watermark, 0}]},
                 inet:getopts(S, [high_watermark, low_watermark])),
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% high_msgq_watermark, low_msgq_watermark: 0 and -1 are refused below (connect exits, listen
%% returns einval), smaller values are accepted and read as the largest 32-bit integer.
msgq_watermark_refusals(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [begin
         Before = inet:getopts(S, [Name]),
         ?assertEqual({Name, Value, {error, einval}}, {Name, Value, inet:setopts(S, [{Name, Value}])}),
         ?assertEqual({Name, Value, Before}, {Name, Value, inet:getopts(S, [Name])}),
         ?assertEqual({Name, Value, badarg}, {Name, Value, do_connect_exit([{Name, Value}])}),
         ?assertEqual({Name, Value, {error, einval}},
                      {Name, Value, gen_tcp:listen(0, [{Name, Value}])})
     end || Name <- [high_msgq_watermark, low_msgq_watermark], Value <- [0, -1]],
    [begin
         ?assertEqual({Name, ok}, {Name, inet:setopts(S, [{Name, -2}])}),
         ?assertEqual({ok, [{Name, 16#7fffffff}]}, inet:getopts(S, [Name]))
     end || Name <- [high_msgq_watermark, low_msgq_watermark]],
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% debug: setopts and the lists accept it, accepted sockets start without it.
debug_is_not_inherited(_) ->
    %% Stock prints a line to stderr for every call while it is on.
    {L, Port} = tcp_pairs:listen([{debug, false}]),
    ?assertEqual(ok, inet:setopts(L, [{debug, true}])),
    ?assertEqual({ok, [{debug, true}]}, inet:getopts(L, [debug])),
    Peer = tcp_pairs:peer_connect(Port),
    {ok, S} = gen_tcp:accept(L, 5000),
    ?assertEqual(ok, inet:setopts(L, [{debug, false}])),
    ?assertEqual({ok, [{debug, false}]}, inet:getopts(S, [debug])),
    [?assertEqual({Bad, {error, einval}}, {Bad, inet:setopts(S, [{debug, Bad}])})
     || Bad <- do_no_booleans()],
    close([S, L], []),
    tcp_pairs:peer_close(Peer),
    {S2, Peer2} = tcp_pairs:connect_to_peer([{debug, false}]),
    close([S2], []),
    tcp_pairs:peer_close(Peer2).

%%
%% Kernel
%%

%% ttl: what the kernel refuses is einval in setopts and listen and exits in
%% connect; the value stays.
ttl_refusals(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{ttl, 7}]),
    [begin
         ?assertEqual({Value, {error, einval}}, {Value, inet:setopts(S, [{ttl, Value}])}),
         ?assertEqual({ok, [{ttl, 7}]}, inet:getopts(S, [ttl])),
         ?assertEqual({Value, badarg}, {Value, do_connect_exit([{ttl, Value}])}),
         ?assertEqual({Value, {error, einval}}, {Value, gen_tcp:listen(0, [{ttl, Value}])})
     end || Value <- [0, 256, 1000, -2]],
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% linger: both parts go to the kernel, which keeps the seconds of the last linger that was on.
linger_parts(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Steps = [{{true, 5}, {true, 5}}, {{false, 9}, {false, 5}}, {{true, 0}, {true, 0}},
             {{false, 0}, {false, 0}}],
    [begin
         ?assertEqual(ok, inet:setopts(S, [{linger, Set}])),
         ?assertEqual({Set, {ok, [{linger, Get}]}}, {Set, inet:getopts(S, [linger])})
     end || {Set, Get} <- Steps],
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% priority, tos: the kernel derives a priority from the tos, but here neither moves the other.
tos_and_priority_are_independent(_) ->
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer(Opts),
         ?assertEqual({Opts, {ok, [{tos, 16}, {priority, Priority}]}},
                      {Opts, inet:getopts(S, [tos, priority])}),
         ?assertEqual(ok, inet:setopts(S, [{priority, 5}])),
         ?assertEqual(ok, inet:setopts(S, [{tos, 32}])),
         ?assertEqual({Opts, {ok, [{tos, 32}, {priority, 5}]}},
                      {Opts, inet:getopts(S, [tos, priority])}),
         close([S], []),
         tcp_pairs:peer_close(Peer)
     end || {Opts, Priority} <- [{[{tos, 16}], 0},
                                 {[{tos, 16}, {priority, 3}], 3},
                                 {[{priority, 3}, {tos, 16}], 3}]].

%% tclass, recvtclass: IPv6 sockets have them in all lists and pass them on.
tclass_on_ipv6(_) ->
    {ok, L} = gen_tcp:listen(0, [inet6, {ip, {0, 0, 0, 0, 0, 0, 0, 1}}, {active, false},
                                 {tclass, 32}, {recvtclass, true}]),
    {ok, Port} = inet:port(L),
    {ok, C} = gen_tcp:connect({0, 0, 0, 0, 0, 0, 0, 1}, Port,
                              [inet6, {active, false}, {tclass, 64}], 5000),
    {ok, S} = gen_tcp:accept(L, 5000),
    ?assertEqual({ok, [{tclass, 32}, {recvtclass, true}]}, inet:getopts(L, [tclass, recvtclass])),
    ?assertEqual({ok, [{tclass, 64}, {recvtclass, false}]}, inet:getopts(C, [tclass, recvtclass])),
    ?assertEqual({ok, [{tclass, 32}, {recvtclass, true}]}, inet:getopts(S, [tclass, recvtclass])),
    ?assertEqual(ok, inet:setopts(C, [{tclass, 0}, {recvtclass, true}])),
    ?assertEqual({ok, [{tclass, 0}, {recvtclass, true}]}, inet:getopts(C, [tclass, recvtclass])),
    [?assertEqual({Bad, {error, einval}}, {Bad, inet:setopts(C, [{tclass, Bad}])})
     || Bad <- do_no_integers()],
    [?assertEqual({Bad, {error, einval}}, {Bad, inet:setopts(C, [{recvtclass, Bad}])})
     || Bad <- do_no_booleans()],
    close([S, C, L], []).

%% tclass, recvtclass: on IPv4 setting is refused and reading leaves them out.
tclass_on_ipv4(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {L, _} = tcp_pairs:listen(),
    [begin
         ?assertEqual({error, einval}, inet:setopts(Socket, [{tclass, 32}])),
         ?assertEqual({error, einval}, inet:setopts(Socket, [{recvtclass, true}])),
         ?assertEqual({ok, [{active, false}]}, inet:getopts(Socket, [tclass, active, recvtclass]))
     end || Socket <- [S, L]],
    ?assertEqual(badarg, do_connect_exit([{tclass, 32}])),
    ?assertEqual({error, einval}, gen_tcp:listen(0, [{tclass, 32}])),
    close([S, L], []),
    tcp_pairs:peer_close(Peer).

%% ipv6_v6only: a listen option that lets IPv4 clients in or not.
ipv6_v6only_on_listeners(_) ->
    {ok, Both} = gen_tcp:listen(0, [inet6, {active, false}, {ipv6_v6only, false}]),
    {ok, Only} = gen_tcp:listen(0, [inet6, {active, false}, {ipv6_v6only, true}]),
    ?assertEqual({ok, [{ipv6_v6only, false}]}, inet:getopts(Both, [ipv6_v6only])),
    ?assertEqual({ok, [{ipv6_v6only, true}]}, inet:getopts(Only, [ipv6_v6only])),
    {ok, BothPort} = inet:port(Both),
    {ok, OnlyPort} = inet:port(Only),
    {ok, C} = gen_tcp:connect({127, 0, 0, 1}, BothPort, [], 5000),
    {ok, CPort} = inet:port(C),
    {ok, S} = gen_tcp:accept(Both, 5000),
    ?assertEqual({ok, {{0, 0, 0, 0, 0, 16#ffff, 16#7f00, 1}, CPort}}, inet:peername(S)),
    ?assertEqual({error, econnrefused}, gen_tcp:connect({127, 0, 0, 1}, OnlyPort, [], 5000)),
    close([S, C, Both, Only], []).

%% ipv6_v6only: not a connect option, einval for an IPv4 listener, and too late after bind.
ipv6_v6only_refusals(_) ->
    ?assertEqual(badarg, do_connect_exit([{ipv6_v6only, true}])),
    ?assertEqual({error, einval}, gen_tcp:listen(0, [inet, {ipv6_v6only, true}])),
    ?assertEqual(badarg, do_listen_exit([inet6, {ipv6_v6only, 1}])),
    {ok, L} = gen_tcp:listen(0, [inet6]),
    ?assertEqual({error, einval}, inet:setopts(L, [{ipv6_v6only, true}])),
    ?assertEqual({ok, [{ipv6_v6only, false}]}, inet:getopts(L, [ipv6_v6only])),
    close([L], []),
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    ?assertEqual({error, einval}, inet:setopts(S, [{ipv6_v6only, true}])),
    ?assertEqual({ok, []}, inet:getopts(S, [ipv6_v6only])),
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% nodelay, tos, pktoptions (local): a local socket takes nodelay without effect, refuses
%% what belongs to IP, and leaves both out of getopts.
local_sockets(_) ->
    Path = tcp_pairs:local_path(),
    {ok, L} = gen_tcp:listen(0, [local, {ip, {local, Path}}, {active, false}]),
    {ok, C} = gen_tcp:connect({local, Path}, 0, [local, {active, false}], 5000),
    {ok, S} = gen_tcp:accept(L, 5000),
    [begin
         ?assertEqual(ok, inet:setopts(Socket, [{nodelay, true}, {keepalive, true},
                                                {reuseaddr, true}])),
         ?assertEqual({ok, [{active, false}, {packet, 0}]},
                      inet:getopts(Socket, [nodelay, active, tos, ttl, recvtos, nopush, packet])),
         [?assertEqual({Opt, {error, einval}}, {Opt, inet:setopts(Socket, [Opt])})
          || Opt <- [{tos, 16}, {ttl, 5}, {recvtos, true}, {recvttl, true}, {tclass, 1}]],
         ?assertEqual({error, einval}, inet:getopts(Socket, [pktoptions]))
     end || Socket <- [L, C, S]],
    close([S, C, L], []),
    ok = file:delete(Path).

%% pktoptions: only getopts knows it, and without recv* options it is empty.
pktoptions_are_read_only(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    ?assertEqual({ok, [{pktoptions, []}]}, inet:getopts(S, [pktoptions])),
    ?assertEqual({error, einval}, inet:setopts(S, [{pktoptions, []}])),
    ?assertEqual(badarg, do_connect_exit([{pktoptions, []}])),
    ?assertEqual(badarg, do_listen_exit([{pktoptions, []}])),
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% pktoptions: lists what recvtos and recvttl (recvtclass on IPv6) asked for.
pktoptions_of_a_connection(_) ->
    {S, Peer} = tcp_pairs:accept_from_peer([{recvtos, true}, {recvttl, true}]),
    tcp_pairs:peer_send(Peer, <<"x">>),
    {ok, <<"x">>} = gen_tcp:recv(S, 1, 5000),
    {ok, [{pktoptions, Options}]} = inet:getopts(S, [pktoptions]),
    ?assertMatch([{tos, 0}, {ttl, _}], lists:sort(Options)),
    close([S], []),
    tcp_pairs:peer_close(Peer),
    {ok, L} = gen_tcp:listen(0, [inet6, {active, false}, {recvtclass, true},
                                 {ip, {0, 0, 0, 0, 0, 0, 0, 1}}]),
    {ok, Port} = inet:port(L),
    {ok, C} = gen_tcp:connect({0, 0, 0, 0, 0, 0, 0, 1}, Port, [inet6], 5000),
    {ok, S6} = gen_tcp:accept(L, 5000),
    ?assertMatch({ok, [{pktoptions, [{tclass, _}]}]}, inet:getopts(S6, [pktoptions])),
    close([S6, C, L], []).

%% bind_to_device: a binary in all lists, empty by default.
bind_to_device(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{bind_to_device, <<"lo">>}]),
    ?assertEqual({ok, [{bind_to_device, <<"lo">>}]}, inet:getopts(S, [bind_to_device])),
    close([S], []),
    tcp_pairs:peer_close(Peer),
    {L, _} = tcp_pairs:listen([{bind_to_device, <<"lo">>}]),
    ?assertEqual({ok, [{bind_to_device, <<"lo">>}]}, inet:getopts(L, [bind_to_device])),
    close([L], []),
    {S2, Peer2} = tcp_pairs:connect_to_peer([]),
    ?assertEqual({ok, [{bind_to_device, <<>>}]}, inet:getopts(S2, [bind_to_device])),
    ?assertEqual(ok, inet:setopts(S2, [{bind_to_device, <<"lo">>}])),
    ?assertEqual({ok, [{bind_to_device, <<"lo">>}]}, inet:getopts(S2, [bind_to_device])),
    close([S2], []),
    tcp_pairs:peer_close(Peer2).

%% bind_to_device: a string is a bad type, an unknown device is refused by the kernel.
bind_to_device_refusals(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [?assertEqual({Bad, {error, einval}, badarg, badarg},
                  {Bad, inet:setopts(S, [{bind_to_device, Bad}]),
                   do_connect_exit([{bind_to_device, Bad}]),
                   do_listen_exit([{bind_to_device, Bad}])})
     || Bad <- ["lo", lo, 1]],
    Unknown = {bind_to_device, <<"nosuchdevice">>},
    ?assertEqual({error, einval}, inet:setopts(S, [Unknown])),
    ?assertEqual(badarg, do_connect_exit([Unknown])),
    ?assertEqual({error, einval}, gen_tcp:listen(0, [Unknown])),
    ?assertEqual({ok, [{bind_to_device, <<>>}]}, inet:getopts(S, [bind_to_device])),
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% netns: left out of getopts until set; setopts takes a file name and changes only what
%% getopts says.
netns_left_out_until_set(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    ?assertEqual({ok, [{packet, 0}]}, inet:getopts(S, [netns, packet])),
    ?assertEqual(ok, inet:setopts(S, [{netns, "/no/such/namespace"}])),
    ?assertEqual({ok, [{netns, "/no/such/namespace"}]}, inet:getopts(S, [netns])),
    ?assertEqual(ok, inet:setopts(S, [{netns, ""}])),
    ?assertEqual({ok, [{netns, ""}]}, inet:getopts(S, [netns])),
    tcp_pairs:peer_send(Peer, <<"x">>),
    ?assertEqual({ok, <<"x">>}, gen_tcp:recv(S, 1, 5000)),
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% netns: a missing file is enoent, a file that is no namespace einval, another type badarg.
netns_refusals(_) ->
    Peer = tcp_pairs:peer_listen(),
    Port = tcp_pairs:peer_port(Peer),
    ?assertEqual({error, enoent}, gen_tcp:listen(0, [{netns, "/no/such/namespace"}])),
    ?assertEqual({error, enoent}, gen_tcp:connect({127, 0, 0, 1}, Port,
                                                  [{netns, "/no/such/namespace"}])),
    ?assertEqual({error, einval}, gen_tcp:listen(0, [{netns, "/proc/self/stat"}])),
    ?assertEqual(badarg, do_connect_exit([{netns, "/proc/self/stat"}])),
    [?assertEqual({Bad, badarg, badarg},
                  {Bad, do_connect_exit([{netns, Bad}]), do_listen_exit([{netns, Bad}])})
     || Bad <- [5, {a}, [a]]],
    tcp_pairs:peer_close(Peer).

%% raw: setopts writes and getopts reads by size or by template; what the kernel does not know
%% is left out.
raw_in_setopts_and_getopts(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    %% SOL_SOCKET 1, SO_KEEPALIVE 9.
    ?assertEqual({ok, [{raw, 1, 9, <<0:32/native>>}]}, inet:getopts(S, [{raw, 1, 9, 4}])),
    ?assertEqual(ok, inet:setopts(S, [{raw, 1, 9, <<1:32/native>>}])),
    ?assertEqual({ok, [{raw, 1, 9, <<1:32/native>>}, {keepalive, true}]},
                 inet:getopts(S, [{raw, 1, 9, <<0:32>>}, keepalive])),
    %% A level that does not exist.
    ?assertEqual({ok, [{packet, 0}]}, inet:getopts(S, [{raw, 9999, 1, 4}, packet])),
    %% The answer is as long as the kernel says: TCP_CONGESTION is 6, 13.
    {ok, [{raw, 6, 13, Congestion}]} = inet:getopts(S, [{raw, 6, 13, 64}]),
    ?assert(byte_size(Congestion) =< 64),
    ?assertEqual({ok, [{raw, 1, 9, <<1, 0>>}]},
                 do_little_endian(inet:getopts(S, [{raw, 1, 9, 2}]))),
    close([S], []),
    tcp_pairs:peer_close(Peer).

do_little_endian({ok, [{raw, P, O, Bin}]}) when <<1:16/native>> =:= <<1, 0>> ->
    {ok, [{raw, P, O, Bin}]};
do_little_endian({ok, [{raw, P, O, _}]}) ->
    {ok, [{raw, P, O, <<1, 0>>}]}.

%% raw: {raw, {Proto, Opt, Value}} is the same as the four-tuple wherever that is accepted.
raw_as_a_pair(_) ->
    Keepalive = {raw, {1, 9, <<1:32/native>>}},
    {S, Peer} = tcp_pairs:connect_to_peer([{raw, {6, 1, <<1:32/native>>}}]),
    ?assertEqual(ok, inet:setopts(S, [Keepalive])),
    ?assertEqual({ok, [{keepalive, true}, {nodelay, true}]},
                 inet:getopts(S, [keepalive, nodelay])),
    ?assertEqual({ok, [{raw, 1, 9, <<1:32/native>>}]}, inet:getopts(S, [{raw, {1, 9, 4}}])),
    {L, _} = tcp_pairs:listen([Keepalive]),
    ?assertEqual({ok, [{keepalive, true}]}, inet:getopts(L, [keepalive])),
    close([S, L], []),
    tcp_pairs:peer_close(Peer).

%% raw: part of connect and listen lists, and every entry counts.
raw_in_lists(_) ->
    Keepalive = {raw, 1, 9, <<1:32/native>>},
    Nodelay = {raw, 6, 1, <<1:32/native>>},
    {S, Peer} = tcp_pairs:connect_to_peer([Keepalive, Nodelay]),
    ?assertEqual({ok, [{keepalive, true}, {nodelay, true}]},
                 inet:getopts(S, [keepalive, nodelay])),
    {L, _} = tcp_pairs:listen([Keepalive, Nodelay]),
    ?assertEqual({ok, [{keepalive, true}, {nodelay, true}]},
                 inet:getopts(L, [keepalive, nodelay])),
    close([S, L], []),
    tcp_pairs:peer_close(Peer).

%% raw: kernel errors are ignored, bad types are not, and reading more than 64 KiB is einval.
raw_refusals(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{raw, 9999, 9999, <<1, 2, 3>>}]),
    ?assertEqual(ok, inet:setopts(S, [{raw, 9999, 9999, <<1:32/native>>}])),
    ?assertEqual(ok, inet:setopts(S, [{raw, 1, 9, <<>>}])),
    [begin
         ?assertEqual({Bad, {error, einval}}, {Bad, inet:setopts(S, [Bad])}),
         ?assertEqual({Bad, badarg, badarg}, {Bad, do_connect_exit([Bad]), do_listen_exit([Bad])})
     end || Bad <- [{raw, 1, 9, 1}, {raw, 1, 9, "abcd"}, {raw, sol_socket, 9, <<1:32>>},
                    {raw, 1, keepalive, <<1:32>>}]],
    [?assertEqual({Bad, {error, einval}}, {Bad, inet:getopts(S, [Bad])})
     || Bad <- [{raw, 1, 9, -1}, {raw, 1, 9, foo}, {raw, a, 9, 4}, {raw, 1, 9},
                {raw, 1, 9, 65523}, {raw, 1, 9, 65536}, {raw, 1, 9, 65537}]],
    ?assertMatch({ok, [{raw, 1, 9, _}]}, inet:getopts(S, [{raw, 1, 9, 65522}])),
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% fd: what is no descriptor is ignored, a descriptor that is not open is ebadf, and listen on a
%% port without an address is a badmatch.
fd_refusals(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{fd, foo}]),
    tcp_pairs:peer_send(Peer, <<"x">>),
    ?assertEqual({ok, <<"x">>}, gen_tcp:recv(S, 1, 5000)),
    {L, _} = tcp_pairs:listen([{fd, -1}]),
    ?assertEqual({error, ebadf}, gen_tcp:listen(0, [{fd, 99999}])),
    ?assertEqual({error, ebadf}, gen_tcp:connect({127, 0, 0, 1}, 1, [{fd, 99999}])),
    ?assertError({badmatch, 1234}, gen_tcp:listen(1234, [{fd, 99999}])),
    close([S, L], []),
    tcp_pairs:peer_close(Peer).

%% Membership of a group is checked and has no effect; getopts does not know it.
membership_is_harmless(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [?assertEqual({Value, ok}, {Value, inet:setopts(S, [{Name, Value}])})
     || Name <- [add_membership, drop_membership],
        Value <- [{{224, 0, 0, 1}, {127, 0, 0, 1}}, {{224, 0, 0, 1}, any}]],
    [?assertEqual({Value, {error, einval}}, {Value, inet:setopts(S, [{add_membership, Value}])})
     || Value <- [true, {224, 0, 0, 1}, {{224, 0, 0, 1}, all}, {{224, 0, 0, 1}, any, first}]],
    ?assertEqual({error, einval}, inet:getopts(S, [add_membership])),
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% broadcast, multicast_*: setopts and getopts take them; the connection goes on.
udp_options_are_harmless(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    ?assertEqual(ok, inet:setopts(S, [{broadcast, true}, {multicast_ttl, 3},
                                      {multicast_loop, false}, {multicast_if, {127, 0, 0, 1}}])),
    {ok, Got} = inet:getopts(S, [broadcast, multicast_ttl, multicast_loop, multicast_if]),
    ?assertMatch([{broadcast, true}, {multicast_ttl, _}, {multicast_loop, _},
                  {multicast_if, {_, _, _, _}}], Got),
    [?assertEqual({Bad, {error, einval}}, {Bad, inet:setopts(S, [Bad])})
     || Bad <- [{broadcast, 1}, {multicast_ttl, true}, {multicast_loop, 0}, {multicast_if, lo}]],
    tcp_pairs:peer_send(Peer, <<"x">>),
    ?assertEqual({ok, <<"x">>}, gen_tcp:recv(S, 1, 5000)),
    close([S], []),
    tcp_pairs:peer_close(Peer).

%% read_packets: setopts takes it and nothing else knows it.
read_packets_is_ignored(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    ?assertEqual(ok, inet:setopts(S, [{read_packets, 3}])),
    ?assertEqual({error, einval}, inet:setopts(S, [{read_packets, -1}])),
    ?assertEqual({ok, [{packet, 0}]}, inet:getopts(S, [read_packets, packet])),
    close([S], []),
    tcp_pairs:peer_close(Peer).

%%
%% Local functions
%%

do_domain(#{set := Values}) ->
    [case Value of
         {Set, reads, ReadBack} -> {Set, ReadBack};
         _ -> {Value, Value}
     end || Value <- Values].

%% The reason of the exit of a connect that must not get as far as connecting.
do_connect_exit(Opts) ->
    Peer = tcp_pairs:peer_listen(),
    try
        Reason = try gen_tcp:connect({127, 0, 0, 1}, tcp_pairs:peer_port(Peer), Opts, 5000) of
                     Result -> {returned, Result}
                 catch
                     exit:ExitReason -> ExitReason
                 end,
        case socket:accept(Peer, 0) of
            {ok, Connected} ->
                tcp_pairs:peer_close(Connected),
                {connected, Reason};
            {error, timeout} ->
                Reason
        end
    after
        tcp_pairs:peer_close(Peer)
    end.

do_listen_exit(Opts) ->
    try gen_tcp:listen(0, Opts) of
        Result -> {returned, Result}
    catch
        exit:Reason -> Reason
    end.

do_kernel_ttl() ->
    {ok, Socket} = socket:open(inet, stream, tcp),
    {ok, Ttl} = socket:getopt(Socket, ip, ttl),
    ok = socket:close(Socket),
    Ttl.

do_release() ->
    list_to_integer(erlang:system_info(otp_release)).
