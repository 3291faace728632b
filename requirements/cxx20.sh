#!/bin/sh
# onedl-mmcv asks its compiler for C++17, the headers of torch 2.14 need
# C++20. The last -std wins, so this wrapper, given as CXX, appends it.
exec "${HOST_CXX:-g++}" "$@" -std=c++20
