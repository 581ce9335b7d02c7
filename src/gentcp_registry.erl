%% @doc What the router knows of its sockets: pure data, that does nothing.
%%
%% Sockets by their id, the openings that are on their way by the tag of their call, the
%% watchers of `inet:monitor/1' by their reference, and which slots of the shared arrays are free.
%% @private
-module(gentcp_registry).

%% Sockets.
-export([new/1, socket/2, keep/2, remove/2, sockets/1, size/1]).

%% Openings.
-export([add_opening/2, take_opening/2, withdraw_opening/2]).

%% Watchers.
-export([add_watcher/5, remove_watcher/2]).

%% Slots.
-export([take_slot/1, free_slot/2]).

-export_type([registry/0, tag/0]).

-include("gentcp_socket.hrl").

-type tag() :: pos_integer().

-record(registry, {
    sockets = #{} :: #{gentcp_proto:id() => #socket{}},
    openings = #{} :: #{tag() => #opening{}},
    %% By the alias of the caller.
    tags = #{} :: #{reference() => tag()},
    next_tag = 1 :: tag(),
    %% Reference => socket, and the monitor of the watching process.
    watchers = #{} :: #{reference() => {gentcp_proto:id(), reference()}},
    %% Slots never used, and slots used before in the order of their release:
    %% a slot comes up again as late as can be.
    fresh :: {Next :: gentcp_credit:slot(), Last :: gentcp_credit:slot()},
    freed = queue:new() :: queue:queue(gentcp_credit:slot())
}).

-opaque registry() :: #registry{}.

%% @doc Nothing yet, with so many slots.
-spec new(pos_integer()) -> registry().
new(Slots) ->
    #registry{fresh = {1, Slots}}.

%%
%% Sockets
%%

-spec socket(gentcp_proto:id(), registry()) -> #socket{} | none.
socket(Id, #registry{sockets = Sockets}) ->
    case Sockets of
        #{Id := Socket} -> Socket;
        #{} -> none
    end.

%% @doc A new socket, or what has become of one.
-spec keep(#socket{}, registry()) -> registry().
keep(#socket{id = Id} = Socket, #registry{sockets = Sockets} = Registry) ->
    Registry#registry{sockets = Sockets#{Id => Socket}}.

%% @doc Takes a socket out, and what watched it; its slot is free. Returns the monitors of the
%% watching processes.
-spec remove(#socket{}, registry()) -> {[reference()], registry()}.
remove(#socket{id = Id, slot = Slot, watchers = Watching},
       #registry{sockets = Sockets, watchers = Watchers} = Registry) ->
    Refs = [Ref || {Ref, _Pid} <- Watching],
    Monitors = [element(2, maps:get(Ref, Watchers)) || Ref <- Refs],
    {Monitors, free_slot(Slot, Registry#registry{sockets = maps:remove(Id, Sockets),
                                                 watchers = maps:without(Refs, Watchers)})}.

%% @doc All of them, in the order in which they were opened.
-spec sockets(registry()) -> [#socket{}].
sockets(#registry{sockets = Sockets}) ->
    [Socket || {_Id, Socket} <- lists:sort(maps:to_list(Sockets))].

-spec size(registry()) -> non_neg_integer().
size(#registry{sockets = Sockets}) ->
    map_size(Sockets).

%%
%% Openings
%%

%% @doc An opening that is about to be sent, of which the tag is given to `Make'.
-spec add_opening(fun((tag()) -> #opening{}), registry()) -> {tag(), registry()}.
add_opening(Make, #registry{openings = Openings, tags = Tags, next_tag = Tag} = Registry) ->
    #opening{alias = Alias} = Opening = Make(Tag),
    {Tag, Registry#registry{openings = Openings#{Tag => Opening}, tags = Tags#{Alias => Tag},
                            next_tag = Tag + 1}}.

%% @doc An opening that has been answered.
-spec take_opening(tag(), registry()) -> {#opening{}, registry()} | error.
take_opening(Tag, #registry{openings = Openings, tags = Tags} = Registry) ->
    case maps:take(Tag, Openings) of
        {#opening{alias = Alias} = Opening, Rest} ->
            {Opening, Registry#registry{openings = Rest, tags = maps:remove(Alias, Tags)}};
        error ->
            error
    end.

%% @doc The caller of an opening waits no more. `error' if it has been answered.
-spec withdraw_opening(reference(), registry()) -> {tag(), registry()} | error.
withdraw_opening(Alias, #registry{openings = Openings, tags = Tags} = Registry) ->
    case maps:take(Alias, Tags) of
        {Tag, Rest} ->
            #{Tag := Opening} = Openings,
            {Tag, Registry#registry{openings = Openings#{Tag := Opening#opening{alias = withdrawn}},
                                    tags = Rest}};
        error ->
            error
    end.

%%
%% Watchers
%%

%% @doc A process watches a socket, and is watched by `Monitor' itself.
-spec add_watcher(reference(), pid(), reference(), #socket{}, registry()) ->
          {#socket{}, registry()}.
add_watcher(Ref, Pid, Monitor, #socket{id = Id, watchers = Watching} = Socket,
            #registry{watchers = Watchers} = Registry) ->
    Socket1 = Socket#socket{watchers = [{Ref, Pid} | Watching]},
    {Socket1, keep(Socket1, Registry#registry{watchers = Watchers#{Ref => {Id, Monitor}}})}.

%% @doc Returns the socket without the watcher, and the monitor of the watching process.
-spec remove_watcher(reference(), registry()) -> {#socket{}, reference(), registry()} | error.
remove_watcher(Ref, #registry{sockets = Sockets, watchers = Watchers} = Registry) ->
    case maps:take(Ref, Watchers) of
        {{Id, Monitor}, Rest} ->
            #{Id := #socket{watchers = Watching} = Socket} = Sockets,
            Socket1 = Socket#socket{watchers = lists:keydelete(Ref, 1, Watching)},
            {Socket1, Monitor, keep(Socket1, Registry#registry{watchers = Rest})};
        error ->
            error
    end.

%%
%% Slots
%%

%% @doc A slot for a new socket, 0 if there is none.
-spec take_slot(registry()) -> {gentcp_credit:slot(), registry()}.
take_slot(#registry{fresh = {Next, Last}} = Registry) when Next =< Last ->
    {Next, Registry#registry{fresh = {Next + 1, Last}}};
take_slot(#registry{freed = Freed} = Registry) ->
    case queue:out(Freed) of
        {{value, Slot}, Rest} -> {Slot, Registry#registry{freed = Rest}};
        {empty, _} -> {0, Registry}
    end.

-spec free_slot(gentcp_credit:slot(), registry()) -> registry().
free_slot(0, Registry) ->
    Registry;
free_slot(Slot, #registry{freed = Freed} = Registry) ->
    Registry#registry{freed = queue:in(Slot, Freed)}.
