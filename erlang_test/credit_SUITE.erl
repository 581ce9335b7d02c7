%% What may be sent to a socket without an answer is the same after senders were killed, or were slow, at any
%% moment. Of gentcp alone: stock has no credit.
-module(credit_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([suite/0, all/0, init_per_suite/1, end_per_suite/1]).
-export([killed_at_a_full_pipe/1, killed_anywhere/1, slow_sender/1, timed_out_sender/1,
         killed_parts_writer/1, killed_sender_of_parts/1]).

-import(tcp_pairs, [pair/0, pair/2, eventually/1]).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [killed_at_a_full_pipe, killed_anywhere, slow_sender, timed_out_sender,
     killed_parts_writer, killed_sender_of_parts].

init_per_suite(Config) ->
    driver_groups:init(gentcp, Config).

end_per_suite(Config) ->
    driver_groups:done(gentcp, Config).

%% Thousands wait for the pipe when they are killed.
killed_at_a_full_pipe(_Config) ->
    {C, S} = pair(),
    Whole = available(C),
    ?assert(Whole > 10_000),
    program("STOP"),
    Fillers = fill_pipe(C),
    Senders = [spawn(fun() -> gen_tcp:send(C, <<0:8000>>) end) || _ <- lists:seq(1, 3000)],
    eventually(fun() -> lists:all(fun is_suspended/1, Senders) end),
    ?assert(available(C) < 1000),
    kill(Senders),
    kill(Fillers),
    program("CONT"),
    %% What the program gives back late counts as well.
    ok = gen_tcp:send(C, <<0:8000>>),
    ?assert(available(C) > Whole div 2),
    whole_again(C, S, Whole).

is_suspended(Pid) ->
    process_info(Pid, status) =:= {status, suspended}.

%% A send that has to be answered, because no credit is left, finds what is missing.
whole_again(C, S, Whole) ->
    Reader = spawn_link(fun() -> read(S) end),
    {_, Credit, Slot, Id} = shared(C),
    %% What was sent before may still give credit back.
    eventually(fun() ->
        gentcp_credit:reserve(Credit, Slot, Id, available(C)) andalso available(C) < 1000
    end),
    ok = gen_tcp:send(C, <<0:8000>>),
    ?assertEqual(Whole, available(C)),
    unlink(Reader),
    ok = gen_tcp:close(C).

read(S) ->
    case gen_tcp:recv(S, 0) of
        {ok, _} -> read(S);
        {error, closed} -> ok
    end.

%% Or are at it.
killed_anywhere(_Config) ->
    {C, S} = pair(),
    Whole = available(C),
    Reader = spawn_link(fun() -> read(S) end),
    [begin
         Pid = spawn(fun Send() -> gen_tcp:send(C, <<0:8000>>), Send() end),
         erlang:yield(),
         spin(N),
         exit(Pid, kill)
     end || N <- lists:seq(1, 3000)],
    unlink(Reader),
    exit(Reader, kill),
    whole_again(C, S, Whole).

%% What was forgiven a sender that comes to its write after all is not returned twice.
slow_sender(_Config) ->
    {C, S} = pair(),
    {Port, Credit, Slot, Id} = shared(C),
    Whole = available(C),
    true = gentcp_credit:reserve(Credit, Slot, Id, Whole - 10),
    %% This one has to be answered.
    ok = gen_tcp:send(C, <<0:8000>>),
    ?assertEqual(Whole, available(C)),
    true = port_command(Port, gentcp_proto:send(Id, Whole - 10, <<0:((Whole - 10) * 8)>>)),
    whole_again(C, S, Whole).

%% So is what was not sent at all.
timed_out_sender(_Config) ->
    {C, S} = pair([], [{send_timeout, 100}]),
    Whole = available(C),
    program("STOP"),
    Fillers = fill_pipe(C),
    {error, timeout} = gen_tcp:send(C, <<0:8000>>),
    ?assertEqual(Whole, available(C)),
    kill(Fillers),
    program("CONT"),
    whole_again(C, S, Whole).

%% A large send goes through the pipe in parts, which a process of its own writes. If that dies the connection is
%% reset: the peer is not left with the half of a packet that looks like more to come.
killed_parts_writer(_Config) ->
    {C, S} = pair([{packet, 4}, {show_econnreset, true}], [{packet, 4}]),
    program("STOP"),
    Before = processes(),
    Self = self(),
    Sender = spawn(fun() -> Self ! {sent, gen_tcp:send(C, <<0:80_000_000>>)} end),
    Writer = writer(Sender, Before),
    exit(Writer, kill),
    program("CONT"),
    receive {sent, Result} -> {error, closed} = Result end,
    {error, Reason} = gen_tcp:recv(S, 0, 5000),
    ?assert(lists:member(Reason, [closed, econnreset])),
    {error, closed} = gen_tcp:send(C, "more").

%% If the sender itself dies all of it is sent.
killed_sender_of_parts(_Config) ->
    {C, S} = pair([{packet, 4}], [{packet, 4}]),
    program("STOP"),
    Before = processes(),
    Sender = spawn(fun() -> gen_tcp:send(C, <<0:80_000_000>>) end),
    _ = writer(Sender, Before),
    exit(Sender, kill),
    program("CONT"),
    {ok, <<0:80_000_000>>} = gen_tcp:recv(S, 0, 10_000),
    ok = gen_tcp:send(C, "more"),
    {ok, <<"more">>} = gen_tcp:recv(S, 0, 5000).

%% The process that waits for the parts to pass the pipe.
writer(Sender, Before) ->
    Writers = fun() ->
        [Pid || Pid <- processes() -- [Sender | Before],
                {status, waiting} =:= process_info(Pid, status),
                {current_function, {gentcp_send, parts, 4}} =:= process_info(Pid, current_function)]
    end,
    eventually(fun() -> length(Writers()) =:= 1 end),
    hd(Writers()).

%%
%% The credit of a socket
%%

%% The most that may be sent now without an answer.
available(S) ->
    {_, Credit, Slot, Id} = shared(S),
    available(Credit, Slot, Id, 0, 1 bsl 30).

available(_Credit, _Slot, _Id, Least, Most) when Most - Least =< 1 ->
    Least;
available(Credit, Slot, Id, Least, Most) ->
    Size = (Least + Most) div 2,
    case gentcp_credit:reserve(Credit, Slot, Id, Size) of
        true ->
            ok = gentcp_credit:unreserve(Credit, Slot, Id, Size),
            available(Credit, Slot, Id, Size, Most);
        false ->
            available(Credit, Slot, Id, Least, Size)
    end.

shared({'$inet', gentcp, {Port, Id, Slot}}) ->
    {_Router, Credit, _Loans} = gentcp_port:lookup(Port),
    {Port, Credit, Slot, Id}.

spin(0) -> ok;
spin(N) -> spin(N - 1).

%%
%% The port program
%%

program(Signal) ->
    #{os_pid := OsPid} = gentcp:port_info(),
    [] = os:cmd(lists:concat(["kill -", Signal, " ", OsPid])),
    eventually(fun() ->
        {ok, Stat} = file:read_file(["/proc/", integer_to_list(OsPid), "/stat"]),
        [_, <<State, _/binary>>] = string:split(Stat, ") ", trailing),
        (State =:= $T) =:= (Signal =:= "STOP")
    end).

fill_pipe(S) ->
    {Port, _, _, _} = shared(S),
    Ping = gentcp_proto:router_call(ping, ping),
    Fill = fun Fill() ->
        case port_command(Port, Ping, [nosuspend]) of
            true -> Fill();
            false -> ok
        end
    end,
    Fill(),
    [spawn_link(fun Again() -> port_command(Port, Ping), Again() end) || _ <- [1, 2]].

kill(Pids) ->
    [begin unlink(Pid), exit(Pid, kill) end || Pid <- Pids].
