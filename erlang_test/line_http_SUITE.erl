%% @doc The packet types that parse text or TLS records: line, http,
%% http_bin, httph, httph_bin and ssl_tls.
-module(line_http_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(mailbox, [messages/1]).
-import(tcp_pairs, [close/2]).

suite() -> [{timetrap, {seconds, 30}}].

all() -> driver_groups:all().

groups() -> driver_groups:groups(cases()).

init_per_group(Group, Config) -> driver_groups:init(Group, Config).

end_per_group(Group, Config) -> driver_groups:done(Group, Config).

cases() ->
    [lines_passive, lines_armed, lines_once_and_counted, lines_byte_by_byte, line_forms,
     line_cut_at_buffer, line_cut_at_buffer_armed, line_of_exactly_buffer_bytes,
     line_cut_without_delimiter, line_recbuf_raises_the_cut, line_packet_size_does_not_lift_the_cut,
     line_packet_size, line_packet_size_without_delimiter, line_too_long_armed,
     line_too_long_stays_open, line_delimiter_replaces_newline, line_delimiter_changed,
     last_line_without_delimiter, last_line_without_delimiter_armed, line_deliver_port,
     request_in_strings, request_in_binaries, response, headers_only, pipelined_requests,
     methods, uris, uri_with_ipv6_literal, known_fields, unknown_fields, every_item_is_decode_packet,
     header_values, folded_header, header_waits_for_the_next_byte, request_without_version,
     response_without_phrase, bare_newlines, http_byte_by_byte,
     unparsable_lines, unparsable_header, http_line_limit_is_buffer, http_line_limit_is_packet_size,
     http_limit_without_line_end, http_limit_lifted, http_too_long_armed, http_too_long_stays_open,
     http_messages, http_once_and_counted, http_ignores_mode_and_header,
     http_state_survives_type_changes, httph_to_http_continues_headers, http_state_is_not_inherited,
     body_behind_headers, body_behind_headers_armed, http_at_eof, http_deliver_port,
     http_switched_between_forms,
     tls_record_passive, tls_record_armed, tls_records_in_a_row, tls_record_byte_by_byte,
     tls_packet_size, tls_sslv2_hello, tls_is_always_binary, tls_once_and_counted,
     tls_deliver_port, tls_then_raw].

%%
%% line
%%

%% A packet is a line with its delimiter; CR stays, empty lines count.
lines_passive(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}]),
    tcp_pairs:peer_send(Peer, <<"one\ntwo\r\n\n\r\nfi", 0, "ve\n">>),
    ?assertEqual([{ok, <<"one\n">>}, {ok, <<"two\r\n">>}, {ok, <<"\n">>}, {ok, <<"\r\n">>},
                  {ok, <<"fi", 0, "ve\n">>}, {error, timeout}],
                 do_recv(S, 5) ++ [gen_tcp:recv(S, 0, 0)]),
    close([S], [Peer]).

%% One message a line, through an accepted socket.
lines_armed(_) ->
    {S, Peer} = tcp_pairs:accept_from_peer([{packet, line}, {active, true}]),
    tcp_pairs:peer_send(Peer, <<"one\ntwo\r\n\nrest">>),
    ?assertEqual([{tcp, S, <<"one\n">>}, {tcp, S, <<"two\r\n">>}, {tcp, S, <<"\n">>}],
                 messages(3)),
    tcp_pairs:peer_send(Peer, <<" of it\n">>),
    ?assertEqual([{tcp, S, <<"rest of it\n">>}], messages(1)),
    close([S], [Peer]),
    ok = mailbox:none().

%% Once and counts count lines.
lines_once_and_counted(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}]),
    tcp_pairs:peer_send(Peer, <<"1\n2\n3\n4\n">>),
    tcp_pairs:arrived(S, 8),
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual([{tcp, S, <<"1\n">>}], tcp_pairs:flush()),
    ok = inet:setopts(S, [{active, 2}]),
    ?assertEqual([{tcp, S, <<"2\n">>}, {tcp, S, <<"3\n">>}, {tcp_passive, S}], messages(3)),
    ?assertEqual({ok, <<"4\n">>}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

%% An incomplete line waits, whatever times out meanwhile.
lines_byte_by_byte(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}]),
    do_byte_by_byte(S, Peer, <<"abc\r\n">>, 0),
    ?assertEqual({ok, <<"abc\r\n">>}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

%% Lines come as lists or with a header like other data.
line_forms(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}, list]),
    tcp_pairs:peer_send(Peer, <<"one\ntwo\nthree\n">>),
    ?assertEqual({ok, "one\n"}, gen_tcp:recv(S, 0, 5000)),
    ok = inet:setopts(S, [binary, {header, 2}]),
    ?assertEqual({ok, [$t, $w | <<"o\n">>]}, gen_tcp:recv(S, 0, 5000)),
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual([{tcp, S, [$t, $h | <<"ree\n">>]}], messages(1)),
    close([S], [Peer]).

%% A line longer than buffer is cut into pieces of buffer bytes; the last has the delimiter.
line_cut_at_buffer(_) ->
    Buffer = running_otp:buffer(),
    Line = do_line(Buffer + 541),
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}]),
    tcp_pairs:peer_send(Peer, [Line, <<"next\n">>]),
    ?assertEqual([Buffer, 541, 5], do_sizes(do_recv(S, 3))),
    close([S], [Peer]),
    {S2, Peer2} = tcp_pairs:connect_to_peer([{packet, line}, {buffer, 10}]),
    tcp_pairs:peer_send(Peer2, <<"0123456789abcdefghijABC\nxy\n">>),
    ?assertEqual([{ok, <<"0123456789">>}, {ok, <<"abcdefghij">>}, {ok, <<"ABC\n">>},
                  {ok, <<"xy\n">>}], do_recv(S2, 4)),
    close([S2], [Peer2]).

%% Each piece is a message of its own and counts.
line_cut_at_buffer_armed(_) ->
    {S, Peer} = tcp_pairs:accept_from_peer([{packet, line}, {buffer, 10}, {active, 2}]),
    tcp_pairs:peer_send(Peer, <<"0123456789abcdefghijABC\n">>),
    ?assertEqual([{tcp, S, <<"0123456789">>}, {tcp, S, <<"abcdefghij">>}, {tcp_passive, S}],
                 messages(3)),
    ?assertEqual({ok, <<"ABC\n">>}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

%% A line of exactly buffer bytes is not cut; one byte more leaves the delimiter alone.
line_of_exactly_buffer_bytes(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}]),
    Buffer = running_otp:buffer(),
    tcp_pairs:peer_send(Peer, [do_line(Buffer), do_line(Buffer + 1), do_line(Buffer - 1)]),
    ?assertEqual([Buffer, Buffer, 1, Buffer - 1], do_sizes(do_recv(S, 4))),
    close([S], [Peer]).

%% A piece is handed out as soon as buffer bytes are here, delimiter or not.
line_cut_without_delimiter(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}, {buffer, 10}]),
    tcp_pairs:peer_send(Peer, <<"0123456789abc">>),
    tcp_pairs:arrived(S, 13),
    ?assertEqual({ok, <<"0123456789">>}, gen_tcp:recv(S, 0, 5000)),
    ?assertEqual({error, timeout}, gen_tcp:recv(S, 0, 10)),
    tcp_pairs:peer_send(Peer, <<"\n">>),
    ?assertEqual({ok, <<"abc\n">>}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

%% recbuf raises buffer and with it the length of a line.
line_recbuf_raises_the_cut(_) ->
    Line = do_line(2001),
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}, {recbuf, 3000}]),
    tcp_pairs:peer_send(Peer, Line),
    ?assertEqual({ok, Line}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]),
    {S2, Peer2} = tcp_pairs:connect_to_peer([{packet, line}, {buffer, 3000}]),
    tcp_pairs:peer_send(Peer2, Line),
    ?assertEqual({ok, Line}, gen_tcp:recv(S2, 0, 5000)),
    close([S2], [Peer2]).

%% packet_size alone does not lift the cut at buffer.
line_packet_size_does_not_lift_the_cut(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}, {packet_size, 50000}]),
    Buffer = running_otp:buffer(),
    tcp_pairs:peer_send(Peer, do_line(Buffer + 541)),
    ?assertEqual([Buffer, 541], do_sizes(do_recv(S, 2))),
    close([S], [Peer]).

%% A packet_size below buffer is the limit, delimiter included.
line_packet_size(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}, {packet_size, 10}]),
    tcp_pairs:peer_send(Peer, [do_line(10), do_line(3), do_line(11)]),
    ?assertEqual([10, 3], do_sizes(do_recv(S, 2))),
    ?assertEqual([{error, emsgsize}, {error, enotconn}], do_recv(S, 2)),
    close([S], [Peer]).

%% packet_size bytes without a delimiter wait, one more is an error.
line_packet_size_without_delimiter(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}, {packet_size, 10}]),
    tcp_pairs:peer_send(Peer, <<"0123456789">>),
    tcp_pairs:arrived(S, 10),
    ?assertEqual({error, timeout}, gen_tcp:recv(S, 0, 0)),
    tcp_pairs:peer_send(Peer, <<"a">>),
    ?assertEqual({error, emsgsize}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

%% The same as messages.
line_too_long_armed(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}, {packet_size, 10}, {active, true}]),
    tcp_pairs:peer_send(Peer, <<"fine\n">>),
    ?assertEqual([{tcp, S, <<"fine\n">>}], messages(1)),
    tcp_pairs:peer_send(Peer, <<"far too long\n">>),
    ?assertEqual([{tcp_error, S, emsgsize}, {tcp_closed, S}], messages(2)),
    ?assert(tcp_pairs:is_gone(S)),
    close([S], [Peer]).

%% With exit_on_close false the rest is thrown away and the next line is read.
line_too_long_stays_open(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}, {packet_size, 10},
                                           {exit_on_close, false}]),
    tcp_pairs:peer_send(Peer, <<"far too long\nlost\n">>),
    tcp_pairs:arrived(S, 18),
    ?assertEqual({error, emsgsize}, gen_tcp:recv(S, 0, 5000)),
    tcp_pairs:peer_send(Peer, <<"fine\n">>),
    ?assertEqual({ok, <<"fine\n">>}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

%% line_delimiter replaces the newline, newlines are data then.
line_delimiter_replaces_newline(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}, {line_delimiter, $;}]),
    tcp_pairs:peer_send(Peer, <<"a\nb;;\n\n;">>),
    ?assertEqual([{ok, <<"a\nb;">>}, {ok, <<";">>}, {ok, <<"\n\n;">>}], do_recv(S, 3)),
    close([S], [Peer]),
    {S2, Peer2} = tcp_pairs:connect_to_peer([{packet, line}, {line_delimiter, 0}]),
    tcp_pairs:peer_send(Peer2, <<"a\n", 0, 255, 0>>),
    ?assertEqual([{ok, <<"a\n", 0>>}, {ok, <<255, 0>>}], do_recv(S2, 2)),
    close([S2], [Peer2]).

%% A new delimiter applies to what is buffered.
line_delimiter_changed(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}]),
    tcp_pairs:peer_send(Peer, <<"a\nb;c\n">>),
    tcp_pairs:arrived(S, 6),
    ?assertEqual({ok, <<"a\n">>}, gen_tcp:recv(S, 0, 5000)),
    ok = inet:setopts(S, [{line_delimiter, $;}]),
    ?assertEqual({ok, <<"b;">>}, gen_tcp:recv(S, 0, 5000)),
    ok = inet:setopts(S, [{line_delimiter, $\n}]),
    ?assertEqual({ok, <<"c\n">>}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

%% A last line without delimiter is lost at the end of the stream.
last_line_without_delimiter(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}]),
    tcp_pairs:peer_send(Peer, <<"line\nrest">>),
    tcp_pairs:peer_close(Peer),
    tcp_pairs:eof_arrived(S),
    ?assertEqual([{ok, <<"line\n">>}, {error, closed}], do_recv(S, 2)),
    close([S], []).

%% The same as messages.
last_line_without_delimiter_armed(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}, {active, true}]),
    tcp_pairs:peer_send(Peer, <<"line\nrest">>),
    tcp_pairs:peer_close(Peer),
    ?assertEqual([{tcp, S, <<"line\n">>}, {tcp_closed, S}], messages(2)),
    close([S], []),
    {S2, Peer2} = tcp_pairs:connect_to_peer([{packet, line}]),
    tcp_pairs:peer_send(Peer2, <<"line\nrest">>),
    tcp_pairs:peer_close(Peer2),
    tcp_pairs:eof_arrived(S2),
    ok = inet:setopts(S2, [{active, true}]),
    ?assertEqual([{tcp, S2, <<"line\n">>}, {tcp_closed, S2}], messages(2)),
    close([S2], []),
    ok = mailbox:none().

%% Lines with deliver port.
line_deliver_port(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}, {deliver, port}, {active, true}]),
    tcp_pairs:peer_send(Peer, <<"one\ntwo\n">>),
    ?assertEqual([{S, {data, <<"one\n">>}}, {S, {data, <<"two\n">>}}], messages(2)),
    close([S], [Peer]).

%%
%% http
%%

%% A request is its start line, its headers and http_eoh; in http and httph strings are
%% lists.
request_in_strings(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
    tcp_pairs:peer_send(Peer, <<"GET /index.html?a=b HTTP/1.1\r\nHost: example.org:80\r\n"
                                "X-my-header: yes\r\n\r\n">>),
    ?assertEqual([{ok, {http_request, 'GET', {abs_path, "/index.html?a=b"}, {1, 1}}},
                  {ok, {http_header, 14, 'Host', "Host", "example.org:80"}},
                  {ok, {http_header, 0, "X-My-Header", "X-my-header", "yes"}},
                  {ok, http_eoh}], do_recv(S, 4)),
    close([S], [Peer]).

%% In http_bin and httph_bin strings are binaries.
request_in_binaries(_) ->
    {S, Peer} = tcp_pairs:accept_from_peer([{packet, http_bin}, list]),
    tcp_pairs:peer_send(Peer, <<"PATCH /x HTTP/1.0\r\nHost: h\r\nX-y: z\r\n\r\n">>),
    ?assertEqual([{ok, {http_request, <<"PATCH">>, {abs_path, <<"/x">>}, {1, 0}}},
                  {ok, {http_header, 14, 'Host', <<"Host">>, <<"h">>}},
                  {ok, {http_header, 0, <<"X-Y">>, <<"X-y">>, <<"z">>}},
                  {ok, http_eoh}], do_recv(S, 4)),
    close([S], [Peer]).

%% A response.
response(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
    tcp_pairs:peer_send(Peer, <<"HTTP/1.1 404 Not Found at all\r\nContent-Length: 0\r\n"
                                "Server: s\r\n\r\n">>),
    ?assertEqual([{ok, {http_response, {1, 1}, 404, "Not Found at all"}},
                  {ok, {http_header, 38, 'Content-Length', "Content-Length", "0"}},
                  {ok, {http_header, 30, 'Server', "Server", "s"}},
                  {ok, http_eoh}], do_recv(S, 4)),
    close([S], [Peer]).

%% httph and httph_bin start with headers and stay with them after http_eoh.
headers_only(_) ->
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, Type}]),
         tcp_pairs:peer_send(Peer, <<"Host: a\r\n\r\nHost: b\r\n\r\n">>),
         ?assertEqual([{ok, {http_header, 14, 'Host', String(<<"Host">>), String(<<"a">>)}},
                       {ok, http_eoh},
                       {ok, {http_header, 14, 'Host', String(<<"Host">>), String(<<"b">>)}},
                       {ok, http_eoh}], do_recv(S, 4)),
         close([S], [Peer])
     end || {Type, String} <- [{httph, fun binary_to_list/1}, {httph_bin, fun(Bin) -> Bin end}]].

%% After http_eoh a start line is expected again.
pipelined_requests(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
    tcp_pairs:peer_send(Peer, <<"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
                                "HTTP/1.1 200 OK\r\n\r\n">>),
    ?assertEqual([{ok, {http_request, 'GET', {abs_path, "/1"}, {1, 1}}}, {ok, http_eoh},
                  {ok, {http_request, 'GET', {abs_path, "/2"}, {1, 1}}},
                  {ok, {http_header, 14, 'Host', "Host", "x"}}, {ok, http_eoh},
                  {ok, {http_response, {1, 1}, 200, "OK"}}, {ok, http_eoh}], do_recv(S, 7)),
    close([S], [Peer]).

%% Seven methods are atoms, all others strings, case matters.
methods(_) ->
    Methods = ["OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE",
               "get", "Get", "CONNECT", "PATCH", "X", "M-SEARCH"],
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
    tcp_pairs:peer_send(Peer, [[Method, " / HTTP/1.1\r\n\r\n"] || Method <- Methods]),
    [begin
         Expected = case N =< 7 of
                        true -> list_to_atom(Method);
                        false -> Method
                    end,
         ?assertEqual({ok, {http_request, Expected, {abs_path, "/"}, {1, 1}}},
                      gen_tcp:recv(S, 0, 5000)),
         ?assertEqual({ok, http_eoh}, gen_tcp:recv(S, 0, 5000))
     end || {N, Method} <- lists:zip(lists:seq(1, length(Methods)), Methods)],
    close([S], [Peer]).

%% The forms of a URI.
uris(_) ->
    Uris = [{"*", '*'},
            {"/", {abs_path, "/"}},
            {"/a/b?c=d#e", {abs_path, "/a/b?c=d#e"}},
            {"http://host/path", {absoluteURI, http, "host", undefined, "/path"}},
            {"https://host/", {absoluteURI, https, "host", undefined, "/"}},
            {"HTTP://Host:8080/p?q", {absoluteURI, http, "Host", 8080, "/p?q"}},
            {"http://host", {absoluteURI, http, "host", undefined, "/"}},
            {"host:443", {scheme, "host", "443"}},
            {"urn:isbn:1", {scheme, "urn", "isbn:1"}},
            {"plain", "plain"}],
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
    tcp_pairs:peer_send(Peer, [["GET ", Uri, " HTTP/1.1\r\n\r\n"] || {Uri, _} <- Uris]),
    rows:each(Uris, fun({_, Parsed}) ->
                      [Start, End] = do_recv(S, 2),
                      ?assertEqual({ok, {http_request, 'GET', Parsed, {1, 1}}}, Start),
                      ?assertEqual({ok, http_eoh}, End)
                  end),
    close([S], [Peer]).

%% An IPv6 literal in a URI is understood from OTP 27 on.
uri_with_ipv6_literal(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
    Line = <<"GET http://[::1]:80/ HTTP/1.1\r\n">>,
    tcp_pairs:peer_send(Peer, [Line, "\r\n"]),
    {ok, Item} = gen_tcp:recv(S, 0, 5000),
    {ok, Oracle, <<>>} = erlang:decode_packet(http, Line, []),
    ?assertEqual(Oracle, Item),
    case list_to_integer(erlang:system_info(otp_release)) of
        25 -> ?assertMatch({_, _, {absoluteURI, http, "[", undefined, _}, _}, Item);
        Release when Release >= 27 ->
            ?assertMatch({_, _, {absoluteURI, http, "[::1]", 80, "/"}, _}, Item);
        26 -> ok
    end,
    close([S], [Peer]).

%% Known fields have a number and an atom, however they are written.
known_fields(_) ->
    Fields = ["Cache-Control", "Connection", "Date", "Pragma", "Transfer-Encoding", "Upgrade", "Via",
              "Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization",
              "From", "Host", "If-Modified-Since", "If-Match", "If-None-Match", "If-Range",
              "If-Unmodified-Since", "Max-Forwards", "Proxy-Authorization", "Range", "Referer",
              "User-Agent", "Age", "Location", "Proxy-Authenticate", "Public", "Retry-After",
              "Server", "Vary", "Warning", "Www-Authenticate", "Allow", "Content-Base",
              "Content-Encoding", "Content-Language", "Content-Length", "Content-Location",
              "Content-Md5", "Content-Range", "Content-Type", "Etag", "Expires", "Last-Modified",
              "Accept-Ranges", "Set-Cookie", "Set-Cookie2", "X-Forwarded-For", "Cookie",
              "Keep-Alive", "Proxy-Connection"],
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, httph}]),
    tcp_pairs:peer_send(Peer, [[[Field, ": v\r\n", string:lowercase(Field), ": v\r\n",
                                 string:uppercase(Field), ": v\r\n"] || Field <- Fields], "\r\n"]),
    rows:each(lists:zip(lists:seq(1, length(Fields)), Fields),
            fun({Number, Field}) ->
                ?assertEqual([{ok, {http_header, Number, list_to_atom(Field), Orig, "v"}}
                              || Orig <- [Field, string:lowercase(Field), string:uppercase(Field)]],
                             do_recv(S, 3))
            end),
    ?assertEqual({ok, http_eoh}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

%% Other fields are 0 and the name with each word capitalised, unchanged beyond 50 bytes.
unknown_fields(_) ->
    Long50 = lists:duplicate(50, $x),
    Fields = [{"x-foo-bar", "X-Foo-Bar"}, {"X-FOO-BAR", "X-Foo-Bar"}, {"xFOO", "Xfoo"},
              {"x--y", "X--y"}, {"1a-2b", "1a-2b"}, {"a_b", "A_b"},
              {Long50, [$X | tl(Long50)]}, {"x" ++ Long50, "x" ++ Long50}],
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, httph}]),
    tcp_pairs:peer_send(Peer, [[[Field, ": v\r\n"] || {Field, _} <- Fields], "\r\n"]),
    rows:each(Fields, fun({Field, Name}) ->
                        ?assertEqual([{ok, {http_header, 0, Name, Field, "v"}}], do_recv(S, 1))
                    end),
    close([S], [Peer]).

%% Every item equals what erlang:decode_packet/3 makes of the same bytes.
every_item_is_decode_packet(_) ->
    Text = <<"POST /form HTTP/1.1\r\nHost:example\r\nCookie:\ta=b; c=d \r\nx-A:\r\n"
             "Content-Type: text/plain;\r\n charset=utf-8\r\nEmpty:   \r\n\r\n"
             "HTTP/1.0 301 \r\nLocation: http://x/\r\n\r\n"
             "HTTP/1.1 200 ", 228, 246, "\r\nSet-Cookie: ", 255, 254, "\r\n\r\n"
             "OPTIONS * HTTP/1.1\r\n\r\nHTTP/2 200\r\n\r\nHTTP/12.345 200 OK\r\n\r\n">>,
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, Type}]),
         Expected = do_decode_all(Type, Type, Text),
         ?assert(length(Expected) > 15),
         tcp_pairs:peer_send(Peer, Text),
         ?assertEqual({Type, Expected}, {Type, [Item || {ok, Item} <- do_recv(S, length(Expected))]}),
         close([S], [Peer])
     end || Type <- [http, http_bin]].

%% What the driver does with decode_packet: headers until the end of headers.
do_decode_all(_, _, <<>>) ->
    [];
do_decode_all(Start, Type, Text) ->
    {ok, Item, Rest} = erlang:decode_packet(Type, Text, []),
    Headers = case Start of http -> httph; http_bin -> httph_bin end,
    Next = case Item of
               http_eoh -> Start;
               {http_error, _} -> Type;
               _ -> Headers
           end,
    [Item | do_decode_all(Start, Next, Rest)].

%% Blanks in front of a value are dropped, blanks behind it stay.
header_values(_) ->
    Values = [{"a:b", "b"}, {"a: b", "b"}, {"a:  \t b", "b"}, {"a: b  ", "b  "}, {"a: b c ", "b c "},
              {"a:", ""}, {"a: ", ""}, {"a: b:c", "b:c"}],
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, httph}]),
    tcp_pairs:peer_send(Peer, [[[Line, "\r\n"] || {Line, _} <- Values], "\r\n"]),
    rows:each(Values, fun({_, Value}) ->
                        ?assertMatch([{ok, {http_header, 0, "A", _, Value}}], do_recv(S, 1))
                    end),
    close([S], [Peer]).

%% A folded header is one item; the line end and the blanks stay inside.
folded_header(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, httph}]),
    tcp_pairs:peer_send(Peer, <<"X-A: one\r\n  two\r\n\tthree\r\nHost: h\r\n\r\n">>),
    ?assertEqual([{ok, {http_header, 0, "X-A", "X-A", "one\r\n  two\r\n\tthree"}},
                  {ok, {http_header, 14, 'Host', "Host", "h"}},
                  {ok, http_eoh}], do_recv(S, 3)),
    close([S], [Peer]).

%% A header waits for the byte behind its newline, which may fold it.
header_waits_for_the_next_byte(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
    tcp_pairs:peer_send(Peer, <<"GET / HTTP/1.1\r\nHost: a\r\n">>),
    tcp_pairs:arrived(S, 25),
    %% The start line does not wait.
    ?assertMatch({ok, {http_request, 'GET', _, _}}, gen_tcp:recv(S, 0, 5000)),
    ?assertEqual({error, timeout}, gen_tcp:recv(S, 0, 0)),
    tcp_pairs:peer_send(Peer, <<"X">>),
    ?assertEqual({ok, {http_header, 14, 'Host', "Host", "a"}}, gen_tcp:recv(S, 0, 5000)),
    tcp_pairs:peer_send(Peer, <<": b\r\n">>),
    tcp_pairs:arrived(S, 31),
    ?assertEqual({error, timeout}, gen_tcp:recv(S, 0, 10)),
    tcp_pairs:peer_send(Peer, <<"\r\n">>),
    ?assertEqual([{ok, {http_header, 0, "X", "X", "b"}}, {ok, http_eoh}], do_recv(S, 2)),
    close([S], [Peer]).

%% A request without a version is one of HTTP/0.9.
request_without_version(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
    tcp_pairs:peer_send(Peer, <<"GET /old\r\n">>),
    ?assertEqual([{ok, {http_request, 'GET', {abs_path, "/old"}, {0, 9}}}], do_recv(S, 1)),
    close([S], [Peer]).

%% A response without a phrase has an empty one.
response_without_phrase(_) ->
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, Type}]),
         tcp_pairs:peer_send(Peer, <<"HTTP/1.1 200\r\n\r\n">>),
         ?assertEqual({ok, {http_response, {1, 1}, 200, Phrase}}, gen_tcp:recv(S, 0, 5000)),
         close([S], [Peer])
     end || {Type, Phrase} <- [{http, []}, {http_bin, <<>>}]].

%% Bare newlines end lines too.
bare_newlines(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
    tcp_pairs:peer_send(Peer, <<"GET / HTTP/1.1\nHost: a\nX: b\n c\n\nHTTP/1.0 204 No\n\n">>),
    ?assertEqual([{ok, {http_request, 'GET', {abs_path, "/"}, {1, 1}}},
                  {ok, {http_header, 14, 'Host', "Host", "a"}},
                  {ok, {http_header, 0, "X", "X", "b\n c"}}, {ok, http_eoh},
                  {ok, {http_response, {1, 0}, 204, "No"}}, {ok, http_eoh}], do_recv(S, 6)),
    close([S], [Peer]).

%% Items may arrive in any pieces.
http_byte_by_byte(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
    do_byte_by_byte(S, Peer, <<"GET / HTTP/1.1\r\n">>, 0),
    ?assertEqual([{ok, {http_request, 'GET', {abs_path, "/"}, {1, 1}}}], do_recv(S, 1)),
    do_byte_by_byte(S, Peer, <<"Host: a\r\n\r">>, 16),
    ?assertEqual([{ok, {http_header, 14, 'Host', "Host", "a"}}], do_recv(S, 1)),
    tcp_pairs:peer_send(Peer, <<"\n">>),
    ?assertEqual([{ok, http_eoh}], do_recv(S, 1)),
    close([S], [Peer]).

%% A line that is no start line is an http_error with its line end; the next line is parsed in
%% the same state.
unparsable_lines(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
    tcp_pairs:peer_send(Peer, <<"garbage\r\nHTTP/x.y 200 OK\nGET / HTTP/1.1\r\n\r\n">>),
    ?assertEqual([{ok, {http_error, "garbage\r\n"}}, {ok, {http_error, "HTTP/x.y 200 OK\n"}},
                  {ok, {http_request, 'GET', {abs_path, "/"}, {1, 1}}}, {ok, http_eoh}],
                 do_recv(S, 4)),
    ok = inet:setopts(S, [{packet, http_bin}, {active, true}]),
    tcp_pairs:peer_send(Peer, <<"rubbish\r\nGET /2 HTTP/1.1\r\n">>),
    ?assertEqual([{http, S, {http_error, <<"rubbish\r\n">>}},
                  {http, S, {http_request, 'GET', {abs_path, <<"/2">>}, {1, 1}}}], messages(2)),
    close([S], [Peer]).

%% The same among headers.
unparsable_header(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
    tcp_pairs:peer_send(Peer, <<"GET / HTTP/1.1\r\nno colon\r\nblank : b\r\nHost: a\r\n\r\n">>),
    ?assertEqual([{ok, {http_request, 'GET', {abs_path, "/"}, {1, 1}}},
                  {ok, {http_error, "no colon\r\n"}}, {ok, {http_error, "blank : b\r\n"}},
                  {ok, {http_header, 14, 'Host', "Host", "a"}}, {ok, http_eoh}], do_recv(S, 5)),
    close([S], [Peer]).

%% Without packet_size a line may be as long as buffer; a header needs one byte more, which
%% shows whether it is folded.
http_line_limit_is_buffer(_) ->
    Buffer = running_otp:buffer(),
    do_check_limit([{packet, http}], do_request(Buffer), do_request(Buffer + 1)),
    do_check_limit([{packet, httph}], do_header(Buffer - 1), do_header(Buffer)),
    do_check_limit([{packet, http}, {buffer, 200}], do_request(200), do_request(201)).

%% With packet_size that is the limit, of a header with its folded lines too.
http_line_limit_is_packet_size(_) ->
    Limit = {packet_size, 100},
    do_check_limit([{packet, http}, Limit], do_request(100), do_request(101)),
    do_check_limit([{packet, httph}, Limit], do_header(100), do_header(101)),
    do_check_limit([{packet, httph}, Limit], [do_header(50), " ", do_header(49)],
                   [do_header(50), " ", do_header(50)]).

do_check_limit(Opts, Good, Bad) ->
    {S, Peer} = tcp_pairs:connect_to_peer(Opts),
    tcp_pairs:peer_send(Peer, [Good, "\r\n"]),
    [{ok, Item} | End] = do_recv(S, 2),
    ?assertMatch({_, _, Tag} when Tag =:= http_request; Tag =:= http_header,
                 {Opts, iolist_size(Good), element(1, Item)}),
    ?assertEqual([{ok, http_eoh}], End),
    tcp_pairs:peer_send(Peer, Bad),
    ?assertEqual({Opts, iolist_size(Bad), [{error, emsgsize}, {error, enotconn}]},
                 {Opts, iolist_size(Bad), do_recv(S, 2)}),
    close([S], [Peer]).

%% As many bytes as the limit without a line end are an error, one less waits.
http_limit_without_line_end(_) ->
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, http} | Opts]),
         tcp_pairs:peer_send(Peer, binary:copy(<<"p">>, Limit - 1)),
         tcp_pairs:arrived(S, Limit - 1),
         ?assertEqual({Opts, {error, timeout}}, {Opts, gen_tcp:recv(S, 0, 0)}),
         tcp_pairs:peer_send(Peer, <<"p">>),
         ?assertEqual({Opts, {error, emsgsize}}, {Opts, gen_tcp:recv(S, 0, 5000)}),
         close([S], [Peer])
     end || {Opts, Limit} <- [{[], running_otp:buffer()}, {[{buffer, 200}], 200},
                              {[{packet_size, 100}], 100}]].

%% packet_size or buffer lift the default limit.
http_limit_lifted(_) ->
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, http_bin} | Opts]),
         tcp_pairs:peer_send(Peer, [do_request(4000), "\r\n"]),
         ?assertMatch({_, [{ok, {http_request, 'GET', _, _}}, {ok, http_eoh}]}, {Opts, do_recv(S, 2)}),
         close([S], [Peer])
     end || Opts <- [[{packet_size, 5000}], [{buffer, 5000}], [{recbuf, 5000}]]].

%% The same as messages.
http_too_long_armed(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}, {packet_size, 100}, {active, true}]),
    tcp_pairs:peer_send(Peer, do_request(101)),
    ?assertEqual([{tcp_error, S, emsgsize}, {tcp_closed, S}], messages(2)),
    ?assert(tcp_pairs:is_gone(S)),
    close([S], [Peer]).

%% With exit_on_close false the connection goes on.
http_too_long_stays_open(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}, {packet_size, 100},
                                           {exit_on_close, false}]),
    tcp_pairs:peer_send(Peer, do_request(101)),
    tcp_pairs:arrived(S, 101),
    ?assertEqual([{error, emsgsize}], do_recv(S, 1)),
    tcp_pairs:peer_send(Peer, <<"GET / HTTP/1.1\r\n">>),
    ?assertMatch([{ok, {http_request, 'GET', _, _}}], do_recv(S, 1)),
    close([S], [Peer]).

%% Armed, items come as {http, Socket, Item}, also from the other three types.
http_messages(_) ->
    {S, Peer} = tcp_pairs:accept_from_peer([{packet, http}, {active, true}]),
    tcp_pairs:peer_send(Peer, <<"GET / HTTP/1.1\r\nHost: a\r\n\r\n">>),
    ?assertEqual([{http, S, {http_request, 'GET', {abs_path, "/"}, {1, 1}}},
                  {http, S, {http_header, 14, 'Host', "Host", "a"}}, {http, S, http_eoh}],
                 messages(3)),
    [begin
         ok = inet:setopts(S, [{packet, Type}]),
         tcp_pairs:peer_send(Peer, Wire),
         ?assertEqual({Type, [{http, S, Item} || Item <- Items]},
                      {Type, messages(length(Items))})
     end || {Type, Wire, Items} <-
                [{http_bin, <<"HTTP/1.1 200 OK\r\n\r\n">>,
                  [{http_response, {1, 1}, 200, <<"OK">>}, http_eoh]},
                 {httph, <<"Host: b\r\n\r\n">>,
                  [{http_header, 14, 'Host', "Host", "b"}, http_eoh]},
                 {httph_bin, <<"Host: c\r\n\r\n">>,
                  [{http_header, 14, 'Host', <<"Host">>, <<"c">>}, http_eoh]}]],
    close([S], [Peer]),
    ok = mailbox:none().

%% Once and counts count items.
http_once_and_counted(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
    Text = <<"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n">>,
    tcp_pairs:peer_send(Peer, Text),
    tcp_pairs:arrived(S, byte_size(Text)),
    ok = inet:setopts(S, [{active, once}]),
    ?assertMatch([{http, S, {http_request, _, _, _}}], tcp_pairs:flush()),
    ok = inet:setopts(S, [{active, 2}]),
    ?assertMatch([{http, S, {http_header, 14, _, _, _}}, {http, S, {http_header, 0, _, _, _}},
                  {tcp_passive, S}], messages(3)),
    ?assertEqual({ok, http_eoh}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

%% mode and header do not matter.
http_ignores_mode_and_header(_) ->
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, Type}, {header, 3}, {mode, Mode}]),
         tcp_pairs:peer_send(Peer, <<"PATCH /x HTTP/1.1\r\n">>),
         ?assertEqual([{ok, {http_request, Method, {abs_path, Path}, {1, 1}}}], do_recv(S, 1)),
         close([S], [Peer])
     end || {Type, Method, Path} <- [{http, "PATCH", "/x"}, {http_bin, <<"PATCH">>, <<"/x">>}],
            Mode <- [list, binary]].

%% The parser remembers that it is among headers while other types are used.
http_state_survives_type_changes(_) ->
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
         tcp_pairs:peer_send(Peer, <<"GET / HTTP/1.1\r\nHost: a\r\nsome line\nX: b\r\n\r\n"
                                     "GET /2 HTTP/1.1\r\n">>),
         ?assertMatch([{ok, {http_request, _, _, _}}, {ok, {http_header, 14, _, _, _}}],
                      do_recv(S, 2)),
         ok = inet:setopts(S, [{packet, Type}]),
         ?assertEqual({Type, {ok, <<"some line\n">>}}, {Type, gen_tcp:recv(S, Length, 5000)}),
         ok = inet:setopts(S, [{packet, http}]),
         ?assertEqual([{ok, {http_header, 0, "X", "X", "b"}}, {ok, http_eoh},
                       {ok, {http_request, 'GET', {abs_path, "/2"}, {1, 1}}}], do_recv(S, 3)),
         close([S], [Peer])
     end || {Type, Length} <- [{line, 0}, {raw, 10}]].

%% From httph to http before the end of headers there are still headers.
httph_to_http_continues_headers(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, httph}]),
    tcp_pairs:peer_send(Peer, <<"Host: a\r\nHost: b\r\n\r\nGET / HTTP/1.1\r\n">>),
    ?assertMatch([{ok, {http_header, 14, _, _, "a"}}], do_recv(S, 1)),
    ok = inet:setopts(S, [{packet, http}]),
    ?assertMatch([{ok, {http_header, 14, _, _, "b"}}, {ok, http_eoh},
                  {ok, {http_request, 'GET', _, _}}], do_recv(S, 3)),
    close([S], [Peer]).

%% Each accepted socket starts with a start line.
http_state_is_not_inherited(_) ->
    {L, Port} = tcp_pairs:listen([{packet, http}]),
    [begin
         Peer = tcp_pairs:peer_connect(Port),
         {ok, S} = gen_tcp:accept(L, 5000),
         tcp_pairs:peer_send(Peer, <<"GET / HTTP/1.1\r\nHost: a\r\n">>),
         ?assertMatch([{ok, {http_request, 'GET', _, _}}], do_recv(S, 1)),
         close([S], [Peer])
     end || _ <- [1, 2]],
    close([L], []).

%% The body that was read along with the headers comes out of raw.
body_behind_headers(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http_bin}]),
    tcp_pairs:peer_send(Peer, <<"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyGET / HTTP/1.1\r\n">>),
    ?assertMatch([{ok, {http_request, 'POST', _, _}}, {ok, {http_header, 38, _, _, <<"4">>}},
                  {ok, http_eoh}], do_recv(S, 3)),
    ok = inet:setopts(S, [{packet, raw}]),
    ?assertEqual({ok, <<"body">>}, gen_tcp:recv(S, 4, 5000)),
    ok = inet:setopts(S, [{packet, http_bin}]),
    ?assertMatch([{ok, {http_request, 'GET', _, _}}], do_recv(S, 1)),
    close([S], [Peer]).

%% The same with once, and a length-prefixed packet behind a line.
body_behind_headers_armed(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}]),
    tcp_pairs:peer_send(Peer, <<"hello\n", 3:16, "abcrest">>),
    tcp_pairs:arrived(S, 15),
    ?assertEqual({ok, <<"hello\n">>}, gen_tcp:recv(S, 0, 5000)),
    ok = inet:setopts(S, [{packet, 2}, {active, once}]),
    ?assertEqual([{tcp, S, <<"abc">>}], messages(1)),
    ok = inet:setopts(S, [{packet, raw}, {active, once}]),
    ?assertEqual([{tcp, S, <<"rest">>}], messages(1)),
    close([S], [Peer]).

%% A header that waits for its next byte is lost at the end of the stream.
http_at_eof(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
    tcp_pairs:peer_send(Peer, <<"GET / HTTP/1.1\r\nHost: a\r\n">>),
    tcp_pairs:peer_close(Peer),
    tcp_pairs:eof_arrived(S),
    ?assertMatch([{ok, {http_request, 'GET', _, _}}, {error, closed}], do_recv(S, 2)),
    close([S], []),
    {S2, Peer2} = tcp_pairs:connect_to_peer([{packet, http}, {active, true}]),
    tcp_pairs:peer_send(Peer2, <<"GET / HTTP/1.1\r\nHost: a\r\n">>),
    tcp_pairs:peer_close(Peer2),
    ?assertMatch([{http, S2, {http_request, 'GET', _, _}}, {tcp_closed, S2}], messages(2)),
    close([S2], []).

%% With deliver port nothing is parsed: the lines come as they are, folded ones apart.
http_deliver_port(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}, {deliver, port}, {active, true}]),
    tcp_pairs:peer_send(Peer, <<"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n">>),
    ?assertEqual([{S, {data, <<"GET / HTTP/1.1\r\n">>}}, {S, {data, <<"X: a\r\n">>}},
                  {S, {data, <<" b\r\n">>}}, {S, {data, <<"\r\n">>}}], messages(4)),
    close([S], [Peer]).

%% http and http_bin can alternate within one request.
http_switched_between_forms(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http}]),
    tcp_pairs:peer_send(Peer, <<"GET /a HTTP/1.1\r\nX: a\r\nY: b\r\n\r\n">>),
    ?assertEqual([{ok, {http_request, 'GET', {abs_path, "/a"}, {1, 1}}}], do_recv(S, 1)),
    ok = inet:setopts(S, [{packet, http_bin}]),
    ?assertEqual([{ok, {http_header, 0, <<"X">>, <<"X">>, <<"a">>}}], do_recv(S, 1)),
    ok = inet:setopts(S, [{packet, http}]),
    ?assertEqual([{ok, {http_header, 0, "Y", "Y", "b"}}, {ok, http_eoh}], do_recv(S, 2)),
    close([S], [Peer]).

%%
%% ssl_tls
%%

%% recv returns the record in parts, with the socket inside.
tls_record_passive(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, ssl_tls}]),
    tcp_pairs:peer_send(Peer, <<22, 3, 1, 5:16, "hello">>),
    ?assertEqual({ok, {ssl_tls, S, 22, {3, 1}, <<"hello">>}}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

%% Armed, the message is the tuple itself.
tls_record_armed(_) ->
    {S, Peer} = tcp_pairs:accept_from_peer([{packet, ssl_tls}, {active, true}]),
    tcp_pairs:peer_send(Peer, <<23, 3, 3, 3:16, "abc">>),
    ?assertEqual([{ssl_tls, S, 23, {3, 3}, <<"abc">>}], messages(1)),
    close([S], [Peer]).

%% Records of any type and version, empty ones and large ones.
tls_records_in_a_row(_) ->
    Records = [{20, {3, 1}, <<1>>}, {21, {3, 3}, <<2, 40>>}, {23, {3, 3}, <<>>},
               {0, {0, 0}, <<"x">>}, {24, {254, 253}, <<"y">>},
               {23, {3, 3}, binary:copy(<<"z">>, 16384)}, {23, {3, 3}, binary:copy(<<"w">>, 65535)}],
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, ssl}]),
    tcp_pairs:peer_send(Peer, [<<Type, Major, Minor, (byte_size(Body)):16, Body/binary>>
                               || {Type, {Major, Minor}, Body} <- Records]),
    [?assertEqual({ok, {ssl_tls, S, Type, Version, Body}}, gen_tcp:recv(S, 0, 5000))
     || {Type, Version, Body} <- Records],
    close([S], [Peer]).

%% A record may arrive in any pieces.
tls_record_byte_by_byte(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, ssl_tls}]),
    do_byte_by_byte(S, Peer, <<22, 3, 1, 4:16, "abcd">>, 0),
    ?assertEqual({ok, {ssl_tls, S, 22, {3, 1}, <<"abcd">>}}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

%% ssl_tls: packet_size limits the body.
tls_packet_size(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, ssl_tls}, {packet_size, 4}]),
    tcp_pairs:peer_send(Peer, <<22, 3, 1, 4:16, "abcd", 22, 3, 1, 5:16, "abcde">>),
    ?assertEqual({ok, {ssl_tls, S, 22, {3, 1}, <<"abcd">>}}, gen_tcp:recv(S, 0, 5000)),
    ?assertEqual({error, emsgsize}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

%% An SSLv2 hello becomes a handshake record with a header of its own.
tls_sslv2_hello(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, ssl_tls}]),
    Rest = <<0, 3, 0, 0, 0, 16, 1, 0, 128, "challenge-bytes">>,
    Hello = <<1:1, (byte_size(Rest) + 3):15, 1, 3, 1, Rest/binary>>,
    tcp_pairs:peer_send(Peer, [Hello, Hello]),
    Expected = {ssl_tls, S, 22, {3, 1}, <<1, (byte_size(Rest) + 2):24, 3, 1, Rest/binary>>},
    ?assertEqual({ok, Expected}, gen_tcp:recv(S, 0, 5000)),
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual([Expected], messages(1)),
    close([S], [Peer]).

%% mode and header do not matter.
tls_is_always_binary(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, ssl_tls}, list, {header, 2}]),
    tcp_pairs:peer_send(Peer, <<22, 3, 1, 2:16, "ab", 22, 3, 1, 2:16, "cd">>),
    ?assertEqual({ok, {ssl_tls, S, 22, {3, 1}, <<"ab">>}}, gen_tcp:recv(S, 0, 5000)),
    ok = inet:setopts(S, [binary]),
    ?assertEqual({ok, {ssl_tls, S, 22, {3, 1}, <<"cd">>}}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

%% Once and counts count records.
tls_once_and_counted(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, ssl_tls}]),
    tcp_pairs:peer_send(Peer, [<<22, 3, 1, 1:16, N>> || N <- "abcd"]),
    tcp_pairs:arrived(S, 24),
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual([{ssl_tls, S, 22, {3, 1}, <<"a">>}], tcp_pairs:flush()),
    ok = inet:setopts(S, [{active, 2}]),
    ?assertEqual([{ssl_tls, S, 22, {3, 1}, <<"b">>}, {ssl_tls, S, 22, {3, 1}, <<"c">>},
                  {tcp_passive, S}], messages(3)),
    close([S], [Peer]).

%% With deliver port the records come as they are.
tls_deliver_port(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, ssl_tls}, {deliver, port}, {active, true}]),
    tcp_pairs:peer_send(Peer, <<22, 3, 1, 2:16, "ab", 23, 3, 1, 1:16, "c">>),
    ?assertEqual([{S, {data, <<22, 3, 1, 2:16, "ab">>}}, {S, {data, <<23, 3, 1, 1:16, "c">>}}],
                 messages(2)),
    close([S], [Peer]).

%% Bytes behind a record come out of raw.
tls_then_raw(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, ssl_tls}]),
    tcp_pairs:peer_send(Peer, <<21, 3, 3, 2:16, 1, 0, "plain">>),
    ?assertEqual({ok, {ssl_tls, S, 21, {3, 3}, <<1, 0>>}}, gen_tcp:recv(S, 0, 5000)),
    ok = inet:setopts(S, [{packet, raw}]),
    ?assertEqual({ok, <<"plain">>}, gen_tcp:recv(S, 5, 5000)),
    close([S], [Peer]).

%%
%% Local functions
%%

%% A line of Size bytes, its newline included.
do_line(Size) ->
    <<(binary:copy(<<"x">>, Size - 1))/binary, "\n">>.

%% A request line of Size bytes, its line end included.
do_request(Size) ->
    Line = ["GET /", binary:copy(<<"p">>, Size - 16), " HTTP/1.1\r\n"],
    Size = iolist_size(Line),
    Line.

%% A header of Size bytes, its line end included.
do_header(Size) ->
    ["A: ", binary:copy(<<"v">>, Size - 5), "\r\n"].

%% The next Count results of recv.
do_recv(S, Count) ->
    [gen_tcp:recv(S, 0, 5000) || _ <- lists:seq(1, Count)].

do_sizes(Results) ->
    [byte_size(Data) || {ok, Data} <- Results].

%% Sends all bytes one by one; until the last is here recv finds nothing. Arrived is what came on
%% the connection before.
do_byte_by_byte(S, Peer, Bytes, Arrived) ->
    [begin
         ?assertEqual({N, {error, timeout}}, {N, gen_tcp:recv(S, 0, 0)}),
         tcp_pairs:peer_send(Peer, binary:part(Bytes, N, 1)),
         tcp_pairs:arrived(S, Arrived + N + 1)
     end || N <- lists:seq(0, byte_size(Bytes) - 1)],
    ok.
