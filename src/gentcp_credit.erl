%% @doc How much a process may still write to a socket without being answered.
%%
%% The counts are shared between all who send and the router, and cost no
%% message: one `atomics' array for each port program, three cells for each of
%% its sockets. A handle names its slot in the array. Slot 0 is none: a socket
%% that got no slot has no window, so that each of its sends is called.
%%
%% <dl>
%% <dt>window</dt><dd>octets that the port program takes without delay, packed
%% with the lower bits of the socket's id, so that a handle kept beyond the
%% life of its socket never finds the window of the next one in the slot</dd>
%% <dt>pending</dt><dd>octets written and not yet reported as gone</dd>
%% <dt>activity</dt><dd>the active mode as far as it is known on this side: it
%% decides who is told when the port program dies. The router alone writes it, as it reads the messages
%% of the socket and the replies to `setopts', so that what it says has the order of those, whoever
%% sets options at the same time</dd>
%% </dl>
%% @private
-module(gentcp_credit).

-export([new/1]).
-export([open/4, window/4, returned/3, close/2]).
-export([spent/3, fell/3, armed/4]).
-export([reserve/4, is_blocked/3]).
-export([is_slot_of/3, activity/3, requested/2, arming/1]).

-export_type([array/0, slot/0, activity/0, arming/0]).

-opaque array() :: atomics:atomics_ref().
-type slot() :: non_neg_integer().
-type activity() :: passive | once | active.
-type arming() :: passive | once | active | count.
%% What becomes of a socket with a `setopts': `count' is `{active, N}'.

-define(CELLS, 3).
-define(WINDOW(Slot), (?CELLS * (Slot) - 2)).
-define(PENDING(Slot), (?CELLS * (Slot) - 1)).
-define(ACTIVITY(Slot), (?CELLS * (Slot))).

%% 24 bits of the id over 32 bits of window: a small integer in all, so the
%% cells cost no garbage.
-define(PACK(Id, Window), ((((Id) band 16#FFFFFF) bsl 32) bor (Window))).
-define(MAX_WINDOW, 16#FFFFFFFF).

%% Cells of activity. The last two are passive sockets with a packet, or an end, that came before the reply of the
%% `setopts' that asked for it.
-define(PASSIVE, 0).
-define(ONCE, 1).
-define(ACTIVE, 2).
-define(SPENT, 3).
-define(FALLEN, 4).

%% @doc An array for `Slots' sockets at a time.
-spec new(pos_integer()) -> array().
new(Slots) ->
    atomics:new(?CELLS * Slots, [{signed, true}]).

%%
%% The router's side
%%

%% @doc Gives a slot to a socket.
-spec open(array(), slot(), gentcp_proto:id(), activity()) -> ok.
open(_Array, 0, _Id, _Activity) ->
    ok;
open(Array, Slot, Id, Activity) ->
    atomics:put(Array, ?PENDING(Slot), 0),
    atomics:put(Array, ?ACTIVITY(Slot), encode(Activity)),
    atomics:put(Array, ?WINDOW(Slot), ?PACK(Id, 0)).

%% @doc Sets the window of a socket. 0 has every send called.
-spec window(array(), slot(), gentcp_proto:id(), non_neg_integer()) -> ok.
window(_Array, 0, _Id, _Window) ->
    ok;
window(Array, Slot, Id, Window) ->
    atomics:put(Array, ?WINDOW(Slot), ?PACK(Id, min(Window, ?MAX_WINDOW))).

%% @doc So many octets have gone.
-spec returned(array(), slot(), non_neg_integer()) -> ok.
returned(_Array, 0, _Octets) ->
    ok;
returned(_Array, _Slot, 0) ->
    ok;
returned(Array, Slot, Octets) ->
    atomics:sub(Array, ?PENDING(Slot), Octets).

%% @doc Takes the slot away: no handle matches it from now on.
-spec close(array(), slot()) -> ok.
close(_Array, 0) ->
    ok;
close(Array, Slot) ->
    atomics:put(Array, ?WINDOW(Slot), 0).

%% @doc A packet comes for the owner. It is the end of `once'. If the socket is passive, a `setopts'
%% has made it active whose reply is on its way behind the packet.
-spec spent(array(), slot(), gentcp_proto:id()) -> ok.
spent(Array, Slot, Id) ->
    case activity_cell(Array, Slot, Id) of
        ?ONCE -> put_activity(Array, Slot, ?PASSIVE);
        ?PASSIVE -> put_activity(Array, Slot, ?SPENT);
        _ -> ok
    end.

%% @doc The owner is told that the socket is passive from now on, or at its end. If it was passive
%% already, a `setopts' as above is over with that, too.
-spec fell(array(), slot(), gentcp_proto:id()) -> ok.
fell(Array, Slot, Id) ->
    case activity_cell(Array, Slot, Id) of
        none -> ok;
        Cell when Cell =:= ?ONCE; Cell =:= ?ACTIVE -> put_activity(Array, Slot, ?PASSIVE);
        _ -> put_activity(Array, Slot, ?FALLEN)
    end.

%% @doc A `setopts' is answered: what it has made of the socket, unless that is over by now. An
%% error has made nothing of it.
-spec armed(array(), slot(), gentcp_proto:id(), arming() | none) -> ok.
armed(Array, Slot, Id, Arming) ->
    case activity_cell(Array, Slot, Id) of
        none -> ok;
        Cell -> put_activity(Array, Slot, armed(Arming, Cell))
    end.

armed(none, Cell) when Cell =:= ?SPENT; Cell =:= ?FALLEN -> ?PASSIVE;
armed(none, Cell) -> Cell;
armed(_, ?FALLEN) -> ?PASSIVE;
armed(once, ?SPENT) -> ?PASSIVE;
armed(once, _) -> ?ONCE;
armed(passive, _) -> ?PASSIVE;
armed(_TrueOrCount, _) -> ?ACTIVE.

%%
%% The senders' side
%%

%% @doc Whether `Size' octets may be sent without an answer. They count as
%% pending from now on if so.
%%
%% Between the two looks at the array the slot may pass to another socket. The
%% octets then count against that one: some of its sends will be called that
%% need not have been. Slots are handed out in turn, so this takes a sender
%% that stops between two instructions while every other slot is used.
-spec reserve(array(), slot(), gentcp_proto:id(), non_neg_integer()) -> boolean().
reserve(_Array, 0, _Id, _Size) ->
    false;
reserve(Array, Slot, Id, Size) ->
    Window = atomics:get(Array, ?WINDOW(Slot)) - ?PACK(Id, 0),
    if
        Size < Window, Window =< ?MAX_WINDOW ->
            case atomics:add_get(Array, ?PENDING(Slot), Size) of
                Pending when Pending < Window ->
                    true;
                _ ->
                    atomics:sub(Array, ?PENDING(Slot), Size),
                    false
            end;
        true ->
            false
    end.

%% @doc Whether the socket has been given no window, as when others wait to
%% send on it.
-spec is_blocked(array(), slot(), gentcp_proto:id()) -> boolean().
is_blocked(_Array, 0, _Id) ->
    true;
is_blocked(Array, Slot, Id) ->
    atomics:get(Array, ?WINDOW(Slot)) =:= ?PACK(Id, 0).

%%
%% Both
%%

%% @doc The active mode that a socket is in.
-spec activity(array(), slot(), gentcp_proto:id()) -> activity().
activity(Array, Slot, Id) ->
    case activity_cell(Array, Slot, Id) of
        %% Not known: a message too many is better than one too few.
        none -> active;
        ?ACTIVE -> active;
        ?ONCE -> once;
        _ -> passive
    end.

activity_cell(Array, Slot, Id) ->
    case is_slot_of(Array, Slot, Id) of
        true -> atomics:get(Array, ?ACTIVITY(Slot));
        false -> none
    end.

put_activity(Array, Slot, Cell) ->
    atomics:put(Array, ?ACTIVITY(Slot), Cell).

%% @doc The active mode that a list of options asks for, as far as it shows.
-spec requested([term()], Default) -> activity() | Default.
requested(Opts, Default) ->
    %% The first entry is applied last.
    case lists:keyfind(active, 1, Opts) of
        {active, false} -> passive;
        {active, once} -> once;
        {active, true} -> active;
        {active, N} when is_integer(N), N > 0 -> active;
        _ -> Default
    end.

%% @doc What a list of options for `setopts' makes of a socket; `none' if that cannot be seen, as
%% when it only counts down.
-spec arming([term()]) -> arming() | none.
arming(Opts) when is_list(Opts) ->
    case lists:keyfind(active, 1, Opts) of
        {active, N} when is_integer(N), N > 0 -> count;
        _ -> requested(Opts, none)
    end;
arming(_Opts) ->
    none.

%% @doc Whether the slot still is the socket's.
-spec is_slot_of(array(), slot(), gentcp_proto:id()) -> boolean().
is_slot_of(_Array, 0, _Id) ->
    false;
is_slot_of(Array, Slot, Id) ->
    atomics:get(Array, ?WINDOW(Slot)) bsr 32 =:= Id band 16#FFFFFF.

encode(passive) -> ?PASSIVE;
encode(once) -> ?ONCE;
encode(active) -> ?ACTIVE.
