%% @doc Which sockets a rule is for: selectors as the user writes them, and as they cross
%% the pipe to one port program.
%% @private
-module(gentcp_selector).

-export([check/1, to_wire/2, needs_kin/1]).

%% More than anybody nests, and less than the wire takes.
-define(MAX_DEPTH, 32).

%% @doc Whether a term is a selector.
-spec check(term()) -> ok | {error, gentcp_fault:bad_fault()}.
check(Selector) ->
    try wire(Selector, none, ?MAX_DEPTH) of
        _ -> ok
    catch
        throw:{bad_fault, _, _} = Bad -> {error, Bad}
    end.

%% @doc The selector for the program of a port. What is a socket of another one, or of a
%% program that has ended, matches nothing there.
-spec to_wire(gentcp_fault:selector(), port()) -> term().
to_wire(Selector, Port) ->
    wire(Selector, Port, ?MAX_DEPTH).

wire(Selector, _Port, 0) ->
    throw({bad_fault, Selector, too_deep});
wire(all, _Port, _Depth) ->
    all;
wire({'$inet', _, _} = S, Port, _Depth) ->
    socket(socket, S, Port);
wire({Kind, S}, Port, _Depth) when Kind =:= socket; Kind =:= listener ->
    socket(Kind, S, Port);
wire({Kind, Pid}, _Port, _Depth) when Kind =:= owner; Kind =:= ancestor ->
    is_pid(Pid) orelse throw({bad_fault, {Kind, Pid}, not_a_pid}),
    {Kind, Pid};
wire({Kind, Address}, _Port, _Depth) when Kind =:= peer; Kind =:= local ->
    address(Kind, Address);
wire({direction, Way}, _Port, _Depth) when Way =:= in; Way =:= out ->
    {direction, Way};
wire({family, Family}, _Port, _Depth)
  when Family =:= inet; Family =:= inet6; Family =:= local ->
    {family, Family};
wire({Kind, Selectors}, Port, Depth)
  when Kind =:= all_of; Kind =:= any_of; Kind =:= none_of ->
    is_list(Selectors) andalso length_of(Selectors) =/= improper
        orelse throw({bad_fault, {Kind, Selectors}, bad_list}),
    {Kind, [wire(Selector, Port, Depth - 1) || Selector <- Selectors]};
wire({nth, N, Selector}, Port, Depth) ->
    is_integer(N) andalso N > 0 orelse throw({bad_fault, {nth, N, Selector}, bad_number}),
    {nth, N, wire(Selector, Port, Depth - 1)};
wire({direction, _} = Selector, _Port, _Depth) ->
    throw({bad_fault, Selector, unknown_direction});
wire({family, _} = Selector, _Port, _Depth) ->
    throw({bad_fault, Selector, unknown_family});
wire(Port, _, _Depth) when is_port(Port) ->
    throw({bad_fault, Port, not_a_gentcp_socket});
wire(Other, _Port, _Depth) ->
    throw({bad_fault, Other, unknown_selector}).

socket(Kind, {'$inet', gentcp, {Port, Id, _Slot}}, Port) ->
    {Kind, Id};
socket(_Kind, {'$inet', gentcp, {_OtherPort, _Id, _Slot}}, _Port) ->
    {any_of, []};
socket(_Kind, Other, _Port) ->
    throw({bad_fault, Other, not_a_gentcp_socket}).

address(Kind, {port, Number} = Port) ->
    is_port_number(Number) orelse throw({bad_fault, Port, {range, 0, 65535}}),
    {Kind, Port};
address(Kind, {local, Path}) ->
    try unicode:characters_to_binary(Path) of
        Binary when is_binary(Binary) -> {Kind, {local, Binary}};
        _ -> throw({bad_fault, {local, Path}, bad_address})
    catch
        error:badarg -> throw({bad_fault, {local, Path}, bad_address})
    end;
address(Kind, {Net, {port, Number} = Port}) ->
    is_port_number(Number) orelse throw({bad_fault, Port, {range, 0, 65535}}),
    case inet:is_ip_address(Net) of
        true -> {Kind, {Net, Number}};
        false -> {all_of, [address(Kind, Net), {Kind, Port}]}
    end;
address(Kind, {IP, Bits} = Net) ->
    inet:is_ip_address(IP) orelse throw({bad_fault, Net, bad_address}),
    Width = width(IP),
    is_integer(Bits) andalso Bits >= 0 andalso Bits =< Width
        orelse throw({bad_fault, Net, {range, 0, Width}}),
    {Kind, {prefix, IP, Bits}};
address(Kind, IP) ->
    inet:is_ip_address(IP) orelse throw({bad_fault, {Kind, IP}, bad_address}),
    {Kind, IP}.

width(IP) when tuple_size(IP) =:= 4 -> 32;
width(_IP6) -> 128.

is_port_number(Number) ->
    is_integer(Number) andalso Number >= 0 andalso Number =< 65535.

length_of(List) ->
    try length(List)
    catch error:badarg -> improper
    end.

%% @doc Whether a selector asks who owns a socket.
-spec needs_kin(gentcp_fault:selector()) -> boolean().
needs_kin({Kind, _Pid}) when Kind =:= owner; Kind =:= ancestor -> true;
needs_kin({Kind, Selectors}) when Kind =:= all_of; Kind =:= any_of; Kind =:= none_of ->
    lists:any(fun needs_kin/1, Selectors);
needs_kin({nth, _N, Selector}) -> needs_kin(Selector);
needs_kin(_) -> false.
