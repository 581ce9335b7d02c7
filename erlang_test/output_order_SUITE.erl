%% @doc What a socket sends has one order, whoever sends it: a send that is far
%% longer than what the kernel takes is one piece, which nothing comes between,
%% and which a shutdown, a close and the end of the owner come behind.
%%
%% The peer is a plain `socket' with a small receive buffer. It has begun to
%% read when the other process acts, so the send is under way by then.
-module(output_order_SUITE).

-export([all/0, groups/0, suite/0, init_per_group/2, end_per_group/2]).
-export([shutdown_behind_send_of_another/1, close_behind_send_of_another/1,
         close_by_sender/1, owner_killed_behind_send_of_another/1,
         owner_killed_after_own_send/1, owner_killed_in_own_send/1,
         sender_killed_in_send/1]).
-export([sends_side_by_side/1, small_sends_beside_large_one/1,
         sendfile_beside_send_of_another/1, sendfile_behind_suspended_sends/1,
         shutdown_lets_blocked_sender_through/1]).
-export([raw_messages_are_small/1, raw_packets_are_small/1]).

-define(LARGE, (32 * 1024 * 1024)).
-define(TIMEOUT, 20_000).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    driver_groups:all().

groups() ->
    driver_groups:groups(cases()).

init_per_group(Group, Config) ->
    driver_groups:init(Group, Config).

end_per_group(Group, Config) ->
    driver_groups:done(Group, Config).

cases() ->
    [shutdown_behind_send_of_another, close_behind_send_of_another, close_by_sender,
     owner_killed_behind_send_of_another, owner_killed_after_own_send,
     owner_killed_in_own_send, sender_killed_in_send,
     sends_side_by_side, small_sends_beside_large_one, sendfile_beside_send_of_another,
     sendfile_behind_suspended_sends, shutdown_lets_blocked_sender_through,
     raw_messages_are_small, raw_packets_are_small].

%%
%% How it ends
%%

shutdown_behind_send_of_another(_Config) ->
    [begin
         {S, P} = do_connect(),
         Data = do_large(),
         Sender = do_start(fun() -> gen_tcp:send(S, Data) end),
         First = do_begun(P),
         ok = gen_tcp:shutdown(S, How),
         do_same(Data, do_rest(P, First)),
         ok = do_result(Sender),
         ok = gen_tcp:close(S)
     end || How <- [write, read_write]],
    ok.

close_behind_send_of_another(_Config) ->
    {S, P} = do_connect(),
    Data = do_large(),
    _ = do_start(fun() -> gen_tcp:send(S, Data) end),
    First = do_begun(P),
    Closer = do_start(fun() -> gen_tcp:close(S) end),
    do_same(Data, do_rest(P, First)),
    ok = do_result(Closer).

close_by_sender(_Config) ->
    {S, P} = do_connect(),
    Data = do_large(),
    Sender = do_start(fun() -> {gen_tcp:send(S, Data), gen_tcp:close(S)} end),
    do_same(Data, do_rest(P, do_begun(P))),
    {ok, ok} = do_result(Sender).

owner_killed_behind_send_of_another(_Config) ->
    {Owner, S, P} = do_owned(),
    Data = do_large(),
    _ = do_start(fun() -> gen_tcp:send(S, Data) end),
    First = do_begun(P),
    exit(Owner, kill),
    do_same(Data, do_rest(P, First)),
    tcp_pairs:eventually(fun() -> gen_tcp:send(S, "x") =:= {error, closed} end).

owner_killed_after_own_send(_Config) ->
    {Owner, S, P} = do_owned(),
    Data = do_large(),
    Owner ! {run, self(), fun() -> gen_tcp:send(S, Data) end},
    First = do_begun(P),
    receive {ran, Owner, Result} -> ok = Result end,
    exit(Owner, kill),
    do_same(Data, do_rest(P, First)).

%% The first octets have arrived, so all of them are the socket's to send.
owner_killed_in_own_send(_Config) ->
    {Owner, S, P} = do_owned(),
    Data = do_large(),
    Owner ! {run, self(), fun() -> gen_tcp:send(S, Data) end},
    First = do_begun(P),
    exit(Owner, kill),
    do_same(Data, do_rest(P, First)).

sender_killed_in_send(_Config) ->
    {S, P} = do_connect(),
    Data = do_large(),
    {Sender, _} = do_start(fun() -> gen_tcp:send(S, Data) end),
    First = do_begun(P),
    exit(Sender, kill),
    After = do_start(fun() -> {gen_tcp:send(S, "after it"), gen_tcp:shutdown(S, write)} end),
    do_same([Data, "after it"], do_rest(P, First)),
    {ok, ok} = do_result(After),
    ok = gen_tcp:close(S).

%%
%% What stands beside it
%%

sends_side_by_side(_Config) ->
    {S, P} = do_connect(),
    Size = 3 * 1024 * 1024,
    Senders = [do_start(fun() -> gen_tcp:send(S, binary:copy(<<N>>, Size)) end)
               || N <- lists:seq(1, 5)],
    Reader = do_start(fun() -> do_rest(P, <<>>) end),
    [ok = do_result(Sender) || Sender <- Senders],
    ok = gen_tcp:shutdown(S, write),
    {All, closed} = do_result(Reader),
    Pieces = [binary:part(All, I * Size, Size) || I <- lists:seq(0, 4)],
    [1, 2, 3, 4, 5] = lists:sort([begin
                                      do_same(binary:copy(<<(binary:first(Piece))>>, Size),
                                              {Piece, closed}),
                                      binary:first(Piece)
                                  end || Piece <- Pieces]),
    ok = gen_tcp:close(S).

small_sends_beside_large_one(_Config) ->
    {S, P} = do_connect(),
    Data = do_large(),
    Large = do_start(fun() -> gen_tcp:send(S, Data) end),
    First = do_begun(P),
    Small = do_start(fun() -> [ok = gen_tcp:send(S, [N]) || N <- lists:seq(1, 100)], ok end),
    Reader = do_start(fun() -> do_rest(P, First) end),
    ok = do_result(Large),
    ok = do_result(Small),
    ok = gen_tcp:shutdown(S, write),
    do_same([Data, lists:seq(1, 100)], do_result(Reader)),
    ok = gen_tcp:close(S).

sendfile_beside_send_of_another(Config) ->
    {Path, Content} = do_file(Config),
    {Owner, S, P} = do_owned(),
    Data = do_large(),
    Large = do_start(fun() -> gen_tcp:send(S, Data) end),
    First = do_begun(P),
    Owner ! {run, self(), fun() -> file:sendfile(Path, S) end},
    Reader = do_start(fun() -> do_rest(P, First) end),
    Size = byte_size(Content),
    receive {ran, Owner, Sent} -> {ok, Size} = Sent end,
    ok = do_result(Large),
    ok = gen_tcp:shutdown(S, write),
    do_same([Data, Content], do_result(Reader)),
    exit(Owner, kill),
    ok.

%% One sender is blocked and one waits behind it when the file comes.
sendfile_behind_suspended_sends(Config) ->
    {Path, Content} = do_file(Config),
    {Owner, S, P} = do_owned(),
    Filled = do_large(),
    ok = gen_tcp:send(S, Filled),
    Blocked = do_start(fun() -> gen_tcp:send(S, "blocked") end),
    tcp_pairs:at_rest(element(1, Blocked)),
    Waiting = do_start(fun() -> gen_tcp:send(S, "waiting") end),
    do_stuck(element(1, Waiting)),
    Owner ! {run, self(), fun() -> file:sendfile(Path, S) end},
    do_stuck(Owner),
    Reader = do_start(fun() -> do_rest(P, <<>>) end),
    receive {ran, Owner, Sent} -> {ok, _} = Sent end,
    ok = do_result(Blocked),
    ok = do_result(Waiting),
    ok = gen_tcp:shutdown(S, write),
    {All, closed} = do_result(Reader),
    %% The calls that wait are all there, each in one piece, behind what was queued.
    {0, _} = binary:match(All, Filled),
    [{_, _}] = binary:matches(All, <<"blocked">>),
    [{_, _}] = binary:matches(All, <<"waiting">>),
    [{_, _}] = binary:matches(All, Content),
    true = byte_size(All) =:= byte_size(Filled) + byte_size(Content) + 14,
    exit(Owner, kill),
    ok.

shutdown_lets_blocked_sender_through(_Config) ->
    {S, P} = do_connect(),
    Data = do_large(),
    Large = do_start(fun() -> gen_tcp:send(S, Data) end),
    First = do_begun(P),
    ok = do_result(Large),
    Blocked = do_start(fun() -> gen_tcp:send(S, "blocked") end),
    tcp_pairs:at_rest(element(1, Blocked)),
    ok = gen_tcp:shutdown(S, write),
    do_same([Data, "blocked"], do_rest(P, First)),
    ok = do_result(Blocked),
    ok = gen_tcp:close(S).

%%
%% What comes in, in raw mode
%%

raw_messages_are_small(_Config) ->
    {C, S} = tcp_pairs:pair([{active, false}]),
    Data = binary:copy(<<"0123456789abcdef">>, 256 * 1024),
    Sender = do_start(fun() -> {gen_tcp:send(C, Data), gen_tcp:shutdown(C, write)} end),
    ok = inet:setopts(S, [{active, true}]),
    do_same(Data, {do_messages(S), closed}),
    {ok, ok} = do_result(Sender),
    ok = gen_tcp:close(C).

do_messages(S) ->
    receive
        {tcp, S, Data} when byte_size(Data) =< 65536 -> [Data | do_messages(S)];
        {tcp, S, Data} -> error({too_large, byte_size(Data)});
        {tcp_closed, S} -> []
    after ?TIMEOUT -> error(no_message)
    end.

raw_packets_are_small(_Config) ->
    {C, S} = tcp_pairs:pair([{active, false}]),
    Data = binary:copy(<<"0123456789abcdef">>, 256 * 1024),
    Sender = do_start(fun() -> {gen_tcp:send(C, Data), gen_tcp:shutdown(C, write)} end),
    do_same(Data, {do_packets(S), closed}),
    {ok, ok} = do_result(Sender),
    ok = gen_tcp:close(C).

do_packets(S) ->
    case gen_tcp:recv(S, 0, ?TIMEOUT) of
        {ok, Data} when byte_size(Data) =< 65536 -> [Data | do_packets(S)];
        {ok, Data} -> error({too_large, byte_size(Data)});
        {error, closed} -> []
    end.

%%
%% Steps
%%

do_connect() ->
    tcp_pairs:connect_to_peer([], #{rcvbuf => 128 * 1024}).

%% A connection whose owner is a process of its own, which runs what it is sent.
do_owned() ->
    PeerListener = tcp_pairs:peer_listen(#{rcvbuf => 128 * 1024}),
    Port = tcp_pairs:peer_port(PeerListener),
    Test = self(),
    Owner = spawn(fun() ->
        {ok, S} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
        Test ! {self(), S},
        do_serve()
    end),
    P = tcp_pairs:peer_accept(PeerListener),
    tcp_pairs:peer_close(PeerListener),
    receive {Owner, S} -> {Owner, S, P} end.

do_serve() ->
    receive
        {run, From, Fun} ->
            From ! {ran, self(), Fun()},
            do_serve()
    end.

%% Each 16 octets of it say where they are.
do_large() ->
    << <<N:128>> || N <- lists:seq(1, ?LARGE div 16) >>.

do_file(Config) ->
    Path = filename:join(proplists:get_value(priv_dir, Config), "content"),
    Content = binary:copy(<<"the content of a file ">>, 10_000),
    ok = file:write_file(Path, Content),
    {Path, Content}.

%% Waits until a process is in a call that waits, in which the stock driver suspends it.
do_stuck(Pid) ->
    Sample = fun() -> process_info(Pid, [status, reductions, message_queue_len]) end,
    tcp_pairs:eventually(fun() ->
        [{status, Status}, _, {message_queue_len, Queue}] = Before = Sample(),
        timer:sleep(20),
        lists:member(Status, [waiting, suspended]) andalso (Status =:= suspended orelse Queue =:= 0)
            andalso Before =:= Sample()
    end).

%% Waits until the first octets have arrived.
do_begun(P) ->
    tcp_pairs:peer_recv(P, 1).

do_rest(P, First) ->
    {Data, Reason} = tcp_pairs:peer_recv_all(P),
    {<<First/binary, Data/binary>>, Reason}.

do_same(Expected, {Got, closed}) ->
    case {iolist_to_binary(Expected), iolist_to_binary(Got)} of
        {Same, Same} ->
            ok;
        {A, B} ->
            error({differs, [{expected, byte_size(A)}, {got, byte_size(B)},
                             {same_up_to, binary:longest_common_prefix([A, B])}]})
    end.

do_start(Fun) ->
    spawn_monitor(fun() -> exit({result, Fun()}) end).

do_result({Pid, Monitor}) ->
    receive
        {'DOWN', Monitor, process, Pid, {result, Result}} -> Result;
        {'DOWN', Monitor, process, Pid, Reason} -> error(Reason)
    after ?TIMEOUT ->
        error(no_result)
    end.
