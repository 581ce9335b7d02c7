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
%% decides who is told when the port program dies</dd>
%% </dl>
%% @private
-module(gentcp_credit).

-export([new/1]).
-export([open/4, window/4, returned/3, close/2]).
-export([reserve/4, is_blocked/3]).
-export([is_slot_of/3, activity/3, set_activity/4, requested/2]).

-export_type([array/0, slot/0, activity/0]).

-opaque array() :: atomics:atomics_ref().
-type slot() :: non_neg_integer().
-type activity() :: passive | once | active.

-define(CELLS, 3).
-define(WINDOW(Slot), (?CELLS * (Slot) - 2)).
-define(PENDING(Slot), (?CELLS * (Slot) - 1)).
-define(ACTIVITY(Slot), (?CELLS * (Slot))).

%% 24 bits of the id over 32 bits of window: a small integer in all, so the
%% cells cost no garbage.
-define(PACK(Id, Window), ((((Id) band 16#FFFFFF) bsl 32) bor (Window))).
-define(MAX_WINDOW, 16#FFFFFFFF).

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

-spec activity(array(), slot(), gentcp_proto:id()) -> activity().
activity(Array, Slot, Id) ->
    case is_slot_of(Array, Slot, Id) of
        true -> decode(atomics:get(Array, ?ACTIVITY(Slot)));
        %% Not known: a message too many is better than one too few.
        false -> active
    end.

-spec set_activity(array(), slot(), gentcp_proto:id(), activity()) -> ok.
set_activity(Array, Slot, Id, Activity) ->
    case is_slot_of(Array, Slot, Id) of
        true -> atomics:put(Array, ?ACTIVITY(Slot), encode(Activity));
        false -> ok
    end.

%% @doc The active mode that a list of options asks for, as far as it shows.
-spec requested([term()], activity()) -> activity().
requested(Opts, Default) ->
    %% The first entry is applied last.
    case lists:keyfind(active, 1, Opts) of
        {active, false} -> passive;
        {active, once} -> once;
        {active, true} -> active;
        {active, N} when is_integer(N), N > 0 -> active;
        _ -> Default
    end.

%% @doc Whether the slot still is the socket's.
-spec is_slot_of(array(), slot(), gentcp_proto:id()) -> boolean().
is_slot_of(_Array, 0, _Id) ->
    false;
is_slot_of(Array, Slot, Id) ->
    atomics:get(Array, ?WINDOW(Slot)) bsr 32 =:= Id band 16#FFFFFF.

encode(passive) -> 0;
encode(once) -> 1;
encode(active) -> 2.

decode(0) -> passive;
decode(1) -> once;
decode(2) -> active.
