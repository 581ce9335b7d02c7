%% @doc Sends that have to wait: for the port program, where the socket has no credit left, or for
%% the pipe to it.
%% @private
-module(gentcp_send).

-export([send/4, write/5]).

%% Sends above the first size wait on this side for their turn. Sends above the
%% second go in parts of it, so that those of others come through the pipe in
%% between.
-define(LARGE, 64 * 1024).
-define(PART_SIZE, 128 * 1024).

%% @doc A send that is answered by the port program: when the socket has room, or when
%% `send_timeout' is over.
-spec send(gentcp_port:socket(), gentcp_call:shared(), non_neg_integer(), iodata()) ->
          ok | {error, closed | timeout | inet:posix()}.
send({'$inet', gentcp, {Port, Id, Slot}}, {Router, Credit, _} = Shared, Size, Data) ->
    Limit = {blocked, gentcp_credit:send_timeout(Credit, Slot, Id)},
    %% A large send that has to wait for others does so where its data costs nothing.
    case Size > ?LARGE andalso gentcp_credit:is_blocked(Credit, Slot, Id)
        andalso gentcp_call:call(Port, Router, {ready, Id}, Limit) of
        {error, timeout} = Error -> Error;
        %% Whatever else it is, the send that follows has the answer.
        _ -> send(Port, Id, Slot, Shared, Size, Data, Limit)
    end.

send(Port, Id, Slot, {Router, Credit, _}, Size, Data, Limit) when Size =< ?PART_SIZE ->
    Reserved = gentcp_credit:reserved(Credit, Slot, Id),
    Result = gentcp_call:call(Port, Router, {send, Id, Size, Data}, Limit),
    _ = Result =:= ok andalso gentcp_credit:forgive(Credit, Slot, Id, Reserved),
    Result;
send(Port, Id, Slot, {Router, _, Loans}, Size, Data, Limit) ->
    Key = erlang:unique_integer([positive]),
    gentcp_call:send_in_parts(Port, Router, fun(Alias) ->
        {Writer, Ref} = spawn_monitor(fun() ->
            parts({Port, Router, Alias, {Id, Key, Size}}, Size, erlang:iolist_to_iovec(Data), none)
        end),
        receive
            {'DOWN', Ref, process, Writer, normal} -> ok;
            {'DOWN', Ref, process, Writer, _} -> cut(Port, Id, Slot, Loans, Alias)
        end
    end, Limit).

%% While a part is on its way the next one is written, and no more, so that what
%% others send comes through in between.
parts({Port, _Router, Alias, {Id, Key, Total}}, Left, Data, _Before) when Left =< ?PART_SIZE ->
    gentcp_call:write(Port, gentcp_proto:call(Alias, {send_part, Id, Key, Total, Left, Data}), infinity);
parts({Port, Router, _Alias, {Id, Key, Total}} = Send, Left, Data, Before) ->
    {Part, Rest} = split(?PART_SIZE, Data, []),
    Frame = gentcp_proto:cast({send_part, Id, Key, Total, ?PART_SIZE, Part}),
    _ = gentcp_call:write(Port, Frame, infinity),
    Passed = erlang:monitor(process, Router, [{alias, reply_demonitor}]),
    _ = gentcp_call:write(Port, gentcp_proto:call(Passed, ping), infinity),
    _ = Before =/= none andalso
        receive
            {Before, _} -> ok;
            {'DOWN', Before, process, _, _} -> ok
        end,
    parts(Send, Left - ?PART_SIZE, Rest, Passed).

split(Size, [Binary | Rest], Acc) when byte_size(Binary) =< Size ->
    split(Size - byte_size(Binary), Rest, [Binary | Acc]);
split(0, Rest, Acc) ->
    {lists:reverse(Acc), Rest};
split(Size, [Binary | Rest], Acc) ->
    <<Head:Size/binary, Tail/binary>> = Binary,
    {lists:reverse(Acc, [Head]), [Tail | Rest]}.

%% The process that wrote the parts was killed. The half of a packet is not to be taken for a
%% whole one, so the connection is reset.
cut(Port, Id, Slot, Loans, Alias) ->
    Question = gentcp_ahead:ask(Loans, Slot, Id),
    Linger = gentcp_proto:settled(Question, Id, {setopts, Id, [{linger, {true, 0}}]}),
    _ = gentcp_call:write(Port, gentcp_proto:cast(Linger), infinity),
    _ = gentcp_call:write(Port, gentcp_proto:cast({close, Id}), infinity),
    Alias ! {Alias, {error, closed}},
    ok.

%% @doc Writes a send that is not answered, and for which `Size' octets are reserved, to a full
%% pipe. After `send_timeout' nothing has been, and nothing will be sent of it.
-spec write(gentcp_port:socket(), gentcp_credit:array(), iodata(), non_neg_integer(), timeout()) ->
          ok | {error, closed | timeout}.
write({'$inet', gentcp, {Port, Id, Slot}}, Credit, Frame, Size, Timeout) ->
    case gentcp_call:write(Port, Frame, Timeout) of
        {error, timeout} = Error ->
            gentcp_credit:unreserve(Credit, Slot, Id, Size),
            Error;
        Result ->
            Result
    end.
