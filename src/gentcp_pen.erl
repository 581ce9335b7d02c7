%% @doc What a router writes to its port program, without ever waiting for it.
%%
%% Who writes to a full pipe is suspended until the other end reads. A router must not be: all callers
%% keep their time with its help. So while the pipe is full another process writes for it. Frames
%% keep their order.
%% @private
-module(gentcp_pen).

-export([new/1, cast/2, write/2, renew/2]).

-export_type([pen/0]).

-record(pen, {
    port :: port(),
    writer :: pid(),
    %% How many frames the writer has that are not written.
    left :: counters:counters_ref()
}).

-opaque pen() :: #pen{}.

%% @doc The pen of the calling process.
-spec new(port()) -> pen().
new(Port) ->
    Left = counters:new(1, [atomics]),
    Owner = self(),
    Writer = spawn_link(fun() -> loop(Port, Left, erlang:monitor(process, Owner)) end),
    #pen{port = Port, writer = Writer, left = Left}.

%% @doc Writes a command that is not answered.
-spec cast(pen(), gentcp_proto:command()) -> ok.
cast(Pen, Command) ->
    write(Pen, gentcp_proto:cast(Command)).

%% @doc Writes a frame. A port that has closed reports it itself.
-spec write(pen(), iodata()) -> ok.
write(#pen{port = Port, writer = Writer, left = Left}, Frame) ->
    try counters:get(Left, 1) =:= 0 andalso port_command(Port, Frame, [nosuspend]) of
        true ->
            ok;
        false ->
            counters:add(Left, 1, 1),
            Writer ! {write, Frame},
            ok
    catch
        error:badarg -> ok
    end.

%% @doc A process has ended that the calling process is linked to. If it was the one that writes there
%% is a new pen, unless frames went with it.
-spec renew(pen(), pid()) -> {ok, pen()} | lost | other.
renew(#pen{port = Port, writer = Writer, left = Left}, Writer) ->
    case counters:get(Left, 1) of
        0 -> {ok, new(Port)};
        _ -> lost
    end;
renew(_Pen, _Other) ->
    other.

loop(Port, Left, Owner) ->
    receive
        {write, Frame} ->
            try port_command(Port, Frame) of
                true -> counters:sub(Left, 1, 1)
            catch
                error:badarg -> ok
            end,
            loop(Port, Left, Owner);
        {'DOWN', Owner, process, _, _} ->
            ok
    end.
