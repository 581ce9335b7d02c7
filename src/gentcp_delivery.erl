%% @doc Sends to processes what the router has for them: nothing else of this application sends
%% a message of a socket to its owner, but for the packets that an owner takes from a loan.
%%
%% Most of it is packets, and most of those come in runs for one socket. So a run
%% is sent without a second look at anything, and nothing is built but the message.
%% @private
-module(gentcp_delivery).

%% To owners.
-export([run/3, packet/3, lines/3, event/3, release/1, failed/2]).

%% To callers and watchers.
-export([tell/2, down/2, part/2]).

-include("gentcp_socket.hrl").

%% A binary that is a smaller part of its frame than one in this is copied, so
%% that it does not keep the frame in memory.
-define(SMALL_PART, 4).

%% @doc The packets at the front of a list that are for one socket, which is not being passed on.
%% `Size' is that of the frame. Returns the rest of the list.
-spec run(#socket{}, non_neg_integer(), [gentcp_proto:message()]) -> [gentcp_proto:message()].
run(#socket{id = Id, term = S, owner = Owner}, Size, Messages) ->
    run(Id, S, Owner, Size, Messages).

run(Id, S, Owner, Size, [{tcp, Id, Data} | Rest]) ->
    Owner ! {tcp, S, part(Data, Size)},
    run(Id, S, Owner, Size, Rest);
run(_Id, _S, _Owner, _Size, Rest) ->
    Rest.

%% @doc A packet for the owner, as the wire has it. The socket has changed if it is being
%% passed on.
-spec packet(gentcp_proto:message(), #socket{}, gentcp_credit:array()) -> #socket{}.
packet(Message, #socket{id = Id, slot = Slot} = Socket, Credit) ->
    gentcp_credit:spent(Credit, Slot, Id),
    deliver(Message, Socket).

%% @doc Several http packets for the owner, who is one and the same for all of them.
-spec lines(gentcp_proto:lines(), #socket{}, gentcp_credit:array()) -> #socket{}.
lines({lines, Mode, Headers, Count, Octets},
      #socket{id = Id, term = S, owner = Owner, held = none, slot = Slot} = Socket, Credit) ->
    gentcp_credit:spent(Credit, Slot, Id),
    lines(Count, Mode, Headers, Octets, S, Owner),
    Socket;
lines(Lines, #socket{id = Id, slot = Slot} = Socket, Credit) ->
    gentcp_credit:spent(Credit, Slot, Id),
    lists:foldl(fun(Item, Acc) -> deliver({http, Id, Item}, Acc) end,
                Socket, gentcp_proto:packets(Lines)).

lines(0, _Mode, _Headers, _Rest, _S, _Owner) ->
    ok;
lines(Count, Mode, Headers, Octets, S, Owner) ->
    {Item, Headers1, Rest} = gentcp_proto:line(Mode, Headers, Octets),
    Owner ! {http, S, Item},
    lines(Count - 1, Mode, Headers1, Rest, S, Owner).

%% @doc Another message for the owner, who may act on it before the next one is
%% handled here: what it says must hold by then.
-spec event(gentcp_proto:message(), #socket{}, gentcp_credit:array()) -> #socket{}.
event(Message, #socket{id = Id, slot = Slot} = Socket, Credit) ->
    case element(1, Message) of
        tcp_passive ->
            gentcp_credit:fell(Credit, Slot, Id);
        tcp_closed ->
            gentcp_credit:fell(Credit, Slot, Id),
            gentcp_credit:window(Credit, Slot, Id, 0);
        tcp_error ->
            %% The next send has something to report.
            gentcp_credit:window(Credit, Slot, Id, 0)
    end,
    deliver(Message, Socket).

deliver(Message, #socket{term = S, owner = Owner, held = none} = Socket) ->
    Owner ! from(S, Message),
    Socket;
deliver(Message, #socket{term = S, held = Held} = Socket) ->
    Socket#socket{held = [from(S, Message) | Held]}.

%% A message of the wire as the owner gets it.
from(S, {data, _Id, Data}) -> {S, {data, Data}};
from(S, Message) -> setelement(2, Message, S).

%% @doc Sends what was held while the socket was passed on.
-spec release(#socket{}) -> #socket{}.
release(#socket{held = none} = Socket) ->
    Socket;
release(#socket{owner = Owner, held = Held} = Socket) ->
    lists:foreach(fun(Message) -> Owner ! Message end, lists:reverse(Held)),
    Socket#socket{held = none}.

%% @doc Reports the end of a socket that ended with its port program. An owner that waits for messages
%% gets those of a connection that failed: an orderly end could be taken for the end of the data.
-spec failed(#socket{}, gentcp_credit:activity()) -> ok.
failed(#socket{kind = Kind} = Socket, Activity) ->
    #socket{term = S, owner = Owner} = release(Socket),
    Kind =:= listener orelse Activity =:= passive orelse
        begin
            Owner ! {tcp_error, S, econnaborted},
            Owner ! {tcp_closed, S}
        end,
    down(Socket, econnaborted).

%%
%% To callers and watchers
%%

%% @doc Answers a caller, who waits with an alias.
-spec tell(reference(), term()) -> ok.
tell(Alias, Result) ->
    Alias ! {Alias, Result},
    ok.

%% @doc Reports to all who watch a socket that it has ended.
-spec down(#socket{}, term()) -> ok.
down(#socket{term = S, watchers = Watchers}, Reason) ->
    lists:foreach(fun({Ref, Pid}) -> Pid ! {'DOWN', Ref, port, S, Reason} end, Watchers).

%% @doc Data to hand on from a frame of some size, without the frame if it is but a small
%% part of it.
-spec part(term(), non_neg_integer()) -> term().
part(Data, FrameSize) when is_binary(Data), byte_size(Data) * ?SMALL_PART < FrameSize ->
    binary:copy(Data);
part(Data, _FrameSize) ->
    Data.
