%% What a pipe to a port program allows, with no sockets and no gentcp: a bare
%% port to a program that reads everything, or writes frames as fast as it can.
-module(bench_port).

-export([send/1, recv/1, recv_on/1]).

%% `port_command' of `size' bytes in an iolist like a command's, by the calling
%% process (`via' => caller) or by another one that gets it in a message (hop).
-spec send(map()) -> #{per_second := float(), mb_per_second := float(), cpu := float()}.
send(#{size := Size, via := Via} = Args) ->
    Port = open(Args, ["pipe-sink"]),
    Data = bench_peer:payload(Size),
    Write = fun() -> port_command(Port, [<<"the head of a command">> | Data]) end,
    Do = case Via of
             caller ->
                 Write;
             hop ->
                 Hop = spawn_link(fun() -> true = port_connect(Port, self()), hop(Port) end),
                 fun() -> Hop ! {write, Data} end
         end,
    {Cpu0, _} = erlang:statistics(runtime),
    Start = bench_clock:read(),
    Count = bench_clock:repeat(Args, Do),
    drained(Via, Do, Port),
    Elapsed = bench_clock:read() - Start,
    {Cpu, _} = erlang:statistics(runtime),
    (rates(Count, Count * Size, Elapsed))#{cpu => (Cpu - Cpu0) * 1000 / Count}.

hop(Port) ->
    receive
        {write, Data} ->
            port_command(Port, [<<"the head of a command">> | Data]),
            hop(Port);
        {done, From} ->
            From ! done
    end.

%% All has been handed to the port.
drained(caller, _Do, Port) ->
    true = port_close(Port);
drained(hop, _Do, Port) ->
    {connected, Hop} = erlang:port_info(Port, connected),
    Hop ! {done, self()},
    receive done -> ok end.

%% Takes frames of `size' bytes from the port, one message each.
-spec recv(map()) -> #{per_second := float(), mb_per_second := float()}.
recv(#{size := Size, ms := Ms} = Args) ->
    Port = open(Args, ["pipe-source", integer_to_list(Size), integer_to_list(Ms)]),
    Start = bench_clock:read(),
    Count = count(Port, 0),
    rates(Count, Count * Size, bench_clock:read() - Start).

count(Port, N) ->
    receive
        {Port, {data, _}} -> count(Port, N + 1);
        {Port, {exit_status, 0}} -> N
    end.

%% Takes frames of 64 KB, cuts them into messages of 64 bytes and sends each on to another
%% process: the least that a router in Erlang does.
-spec recv_on(map()) -> #{per_second := float(), mb_per_second := float(), cpu := float()}.
recv_on(#{ms := Ms} = Args) ->
    Self = self(),
    Receiver = spawn_link(fun() -> Self ! {self(), received(0)} end),
    {Cpu0, _} = erlang:statistics(runtime),
    Start = bench_clock:read(),
    Port = open(Args, ["pipe-source", "65532", integer_to_list(Ms)]),
    hand_on(Port, Receiver),
    Count = receive {Receiver, N} -> N end,
    Elapsed = bench_clock:read() - Start,
    {Cpu, _} = erlang:statistics(runtime),
    (rates(Count, Count * 64, Elapsed))#{cpu => (Cpu - Cpu0) * 1000 / Count}.

hand_on(Port, Receiver) ->
    receive
        {Port, {data, Frame}} -> cut(Frame, Port, Receiver), hand_on(Port, Receiver);
        {Port, {exit_status, 0}} -> Receiver ! done
    end.

cut(<<Message:64/binary, Rest/binary>>, Port, Receiver) ->
    Receiver ! {tcp, Port, binary:copy(Message)},
    cut(Rest, Port, Receiver);
cut(_Rest, _Port, _Receiver) ->
    ok.

received(N) ->
    receive
        {tcp, _, _} -> received(N + 1);
        done -> N
    end.

open(#{program := Program}, Arguments) ->
    open_port({spawn_executable, Program},
              [{packet, 4}, binary, exit_status, {args, Arguments},
               {busy_limits_port, {512 * 1024, 1024 * 1024}}, {busy_limits_msgq, disabled}]).

rates(Count, Bytes, Elapsed) ->
    #{per_second => bench_clock:per_second(Count, Elapsed),
      mb_per_second => bench_clock:per_second(Bytes / 1.0e6, Elapsed)}.
