%% The guards of inet_tcp, which OTP keeps in kernel/src/inet_int.hrl. That is no
%% header for others.

-define(is_port(P), (is_integer(P) andalso 0 =< (P) andalso (P) =< 65535)).

-define(is_ip(A, B, C, D),
        (is_integer(A) andalso is_integer(B) andalso is_integer(C) andalso is_integer(D)
         andalso ((A) bor (B) bor (C) bor (D)) band (bnot 16#FF) =:= 0)).

-define(is_ip6(A, B, C, D, E, F, G, H),
        (is_integer(A) andalso is_integer(B) andalso is_integer(C) andalso is_integer(D)
         andalso is_integer(E) andalso is_integer(F) andalso is_integer(G) andalso is_integer(H)
         andalso ((A) bor (B) bor (C) bor (D) bor (E) bor (F) bor (G) bor (H))
                 band (bnot 16#FFFF) =:= 0)).
