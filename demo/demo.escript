#!/usr/bin/env escript
%% -*- erlang -*-
%%! -pa _build/default/lib/gentcp/ebin
%%
%% A web server, a web client and the echo server of the gen_tcp manual, all of
%% them written for stock gen_tcp, on gentcp. The call of gentcp:install/0 is
%% the only change; with GENTCP_DEMO=stock in the environment it is left out,
%% and the rest has to work just the same.
-mode(compile).

-define(FILES, [{"empty.txt", 0}, {"page.txt", 1024}, {"large.bin", 10 * 1024 * 1024}]).
-define(LINES, ["hello", "each line is a {packet,2} message", "and comes back as it went"]).

main([]) ->
    Driver = case os:getenv("GENTCP_DEMO") of
                 "stock" -> stock;
                 false -> gentcp
             end,
    {ok, _} = application:ensure_all_started(inets),
    {ok, _} = application:ensure_all_started(crypto),
    install(Driver),
    {WebSent, WebReceived} = web(Driver),
    {EchoSent, EchoReceived} = echo(Driver),
    account(Driver, WebSent + EchoSent, WebReceived + EchoReceived),
    say("ok").

install(stock) ->
    say("this node is OS process ~s, and has its sockets itself", [os:getpid()]);
install(gentcp) ->
    ok = gentcp:install(),
    say("this node is OS process ~s, and gentcp is installed", [os:getpid()]).

%%% A directory served by inets' httpd, fetched with httpc and with curl.

web(Driver) ->
    Root = directory(),
    try
        Files = [write(Root, Name, Size) || {Name, Size} <- ?FILES],
        {ok, Server} = inets:start(httpd, [{port, 0}, {bind_address, {127, 0, 0, 1}},
                                           {ipfamily, inet},
                                           {server_name, "localhost"}, {server_root, Root},
                                           {document_root, Root},
                                           {mime_types, [{"txt", "text/plain"},
                                                         {"bin", "application/octet-stream"}]}]),
        [{port, Port}] = httpd:info(Server, [port]),
        say("~nOTP's httpd serves ~s on port ~w, ~s", [Root, Port, place(Driver, Port)]),
        [fetch(Client, Port, File) || File <- Files, Client <- [httpc, curl]],
        ok = inets:stop(httpd, Server),
        %% The server sent each file twice; curl's end is not a socket of ours.
        Bytes = lists:sum([Size || {_, Size} <- ?FILES]),
        {2 * Bytes, Bytes}
    after
        ok = file:del_dir_r(Root)
    end.

directory() ->
    Root = string:trim(os:cmd("mktemp -d")),
    true = filelib:is_dir(Root),
    Root.

write(Root, Name, Size) ->
    Bytes = rand:bytes(Size),
    ok = file:write_file(filename:join(Root, Name), Bytes),
    {Name, Size, digest(Bytes)}.

fetch(Client, Port, {Name, Size, Digest}) ->
    Url = "http://127.0.0.1:" ++ integer_to_list(Port) ++ "/" ++ Name,
    {Micros, Bytes} = timer:tc(fun() -> get(Client, Url) end),
    case {byte_size(Bytes), digest(Bytes)} of
        {Size, Digest} ->
            say("  ~-6s~-10s ~8w bytes  ~4w ms  sha256 ~s...",
                [Client, Name, Size, Micros div 1000, string:slice(Digest, 0, 16)]);
        {Other, _} ->
            die("~s got another ~s: ~w bytes for ~w", [Client, Name, Other, Size])
    end.

get(httpc, Url) ->
    case httpc:request(get, {Url, []}, [{timeout, 20000}], [{body_format, binary}]) of
        {ok, {{_, 200, _}, _, Body}} -> Body;
        Other -> die("httpc, ~s: ~0tp", [Url, Other])
    end;
get(curl, Url) ->
    Curl = case os:find_executable("curl") of
               false -> die("curl is not installed", []);
               Found -> Found
           end,
    Port = open_port({spawn_executable, Curl},
                     [{args, ["--silent", "--show-error", "--fail", "--noproxy", "*",
                              "--max-time", "20", Url]},
                      binary, exit_status, use_stdio, hide]),
    output(Port, Url, []).

output(Port, Url, Parts) ->
    receive
        {Port, {data, Data}} -> output(Port, Url, [Parts, Data]);
        {Port, {exit_status, 0}} -> iolist_to_binary(Parts);
        {Port, {exit_status, Status}} -> die("curl, ~s: exit status ~w", [Url, Status])
    end.

%%% The echo server and client as in the gen_tcp manual: {packet, 2}, and
%%% {active, once} after every message.

echo(Driver) ->
    {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}, {active, false}, {packet, 2}]),
    {ok, Port} = inet:port(Listener),
    {Server, Monitor} = spawn_monitor(fun() -> serve(Listener) end),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [{active, false}, {packet, 2}]),
    say("~nthe echo server of the gen_tcp manual listens on port ~w, ~s",
        [Port, place(Driver, Port)]),
    lists:foreach(fun(Line) ->
                          ok = gen_tcp:send(Socket, Line),
                          case gen_tcp:recv(Socket, 0, 5000) of
                              {ok, Line} -> say("  ~s", [Line]);
                              Other -> die("echo of ~s: ~0tp", [Line, Other])
                          end
                  end, ?LINES),
    show(Driver),
    ok = gen_tcp:close(Socket),
    receive
        {'DOWN', Monitor, process, Server, normal} -> ok;
        {'DOWN', Monitor, process, Server, Reason} -> die("the echo server: ~0tp", [Reason])
    after 5000 ->
        die("the echo server did not see that its client is gone", [])
    end,
    ok = gen_tcp:close(Listener),
    %% There and back, and each way both ends are ours.
    Bytes = 2 * lists:sum([length(Line) || Line <- ?LINES]),
    {Bytes, Bytes}.

serve(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    loop(Socket).

loop(Socket) ->
    ok = inet:setopts(Socket, [{active, once}]),
    receive
        {tcp, Socket, Data} ->
            ok = gen_tcp:send(Socket, Data),
            loop(Socket);
        {tcp_closed, Socket} ->
            ok
    end.

%%% What ran where.

%% Working is no proof that gentcp did the work, so ask it for the listener.
place(stock, _Port) ->
    "a socket of the stock driver";
place(gentcp, Port) ->
    case [S || S <- gentcp:which_sockets(), inet:port(S) =:= {ok, Port}] of
        [] ->
            die("port ~w is not one of gentcp's", [Port]);
        [_ | _] ->
            #{os_pid := Program} = gentcp:port_info(),
            io_lib:format("a socket in OS process ~w, gentcp_port", [Program])
    end.

show(stock) ->
    ok;
show(gentcp) ->
    say("~ngentcp:i(). shows"),
    gentcp:i().

account(stock, _AtLeastSent, _AtLeastReceived) ->
    ok;
account(gentcp, AtLeastSent, AtLeastReceived) ->
    #{os_pid := Program, sockets := Open, received := Received, sent := Sent} =
        gentcp:port_info(),
    say("~nOS process ~w took ~w bytes to send and handed ~w on to the node; it has"
        " ~w sockets open", [Program, Sent, Received, Open]),
    Sent >= AtLeastSent orelse die("there were ~w to send", [AtLeastSent]),
    Received >= AtLeastReceived orelse die("there were ~w to hand on", [AtLeastReceived]),
    ok = gentcp:uninstall(),
    {ok, Stock} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    is_port(Stock) orelse die("after gentcp:uninstall() a socket is still ~0tp", [Stock]),
    ok = gen_tcp:close(Stock).

digest(Bytes) ->
    lists:flatten([io_lib:format("~2.16.0b", [B]) || <<B>> <= crypto:hash(sha256, Bytes)]).

say(Format) -> say(Format, []).
say(Format, Args) -> io:format(Format ++ "~n", Args).

-spec die(string(), [term()]) -> no_return().
die(Format, Args) ->
    io:format(standard_error, "demo: " ++ Format ++ "~n", Args),
    halt(1).
