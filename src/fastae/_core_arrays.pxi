# SPDX-License-Identifier: Apache-2.0
# Arrays are taken by NumPy's C interface, not as typed memoryviews: a small network's whole step costs less than
# the acquisition of a few memoryviews, and a refusal can say which shape was wanted.
cimport numpy as cnp

cnp.import_array()


cdef int real_type(name, array) except -1:
    """The NumPy type number of a float32 or float64 array; the other arrays of the call must have the same."""
    cdef int type_num = cnp.PyArray_TYPE(array) if isinstance(array, cnp.ndarray) else -1
    if type_num != cnp.NPY_FLOAT32 and type_num != cnp.NPY_FLOAT64:
        kind = array.dtype if isinstance(array, cnp.ndarray) else type(array).__name__
        raise TypeError(f"{name} is {kind}, expected a float32 or float64 array")
    return type_num


cdef void *array_data(name, array, int type_num, bint written) except? NULL:
    """The numbers of a C-contiguous array of the type wanted (writable if `written`)."""
    if not isinstance(array, cnp.ndarray):
        raise TypeError(f"{name} is {type(array).__name__}, expected an array")
    if cnp.PyArray_TYPE(array) != type_num:
        raise TypeError(f"{name} has dtype {array.dtype}, expected {cnp.PyArray_DescrFromType(type_num)}")
    if not cnp.PyArray_ISCARRAY_RO(array):
        raise ValueError(f"{name} must be C-contiguous, aligned and of native byte order; "
                         "numpy.require(array, requirements='CA') makes it so")
    if not cnp.PyArray_CheckExact(array) and hasattr(array, "mask"):
        raise TypeError(f"{name} is a masked array, whose mask would be overlooked; fill it first: .filled(0)")
    if written and not cnp.PyArray_ISWRITEABLE(array):
        raise ValueError(f"{name} is read-only, but is written to")
    return cnp.PyArray_DATA(array)


cdef void *vector_data(name, array, int type_num, bint written, Py_ssize_t size) except? NULL:
    cdef void *data = array_data(name, array, type_num, written)
    if cnp.PyArray_NDIM(array) != 1 or cnp.PyArray_DIM(array, 0) != size:
        raise ValueError(f"{name} has shape {array.shape}, expected ({size},)")
    return data


cdef void *any_vector_data(name, array, int type_num, Py_ssize_t *size) except? NULL:
    """The numbers of a vector to be read, and their count."""
    cdef void *data = array_data(name, array, type_num, False)
    size[0] = cnp.PyArray_SIZE(array)
    if cnp.PyArray_NDIM(array) != 1:
        raise ValueError(f"{name} has shape {array.shape}, expected one axis")
    return data


cdef void *matrix_data(name, array, int type_num, bint written, Py_ssize_t rows, Py_ssize_t columns) except? NULL:
    cdef void *data = array_data(name, array, type_num, written)
    if (cnp.PyArray_NDIM(array) != 2 or cnp.PyArray_DIM(array, 0) != rows or cnp.PyArray_DIM(array, 1) != columns):
        raise ValueError(f"{name} has shape {array.shape}, expected ({rows}, {columns})")
    return data


cdef void *work_data(array, int type_num, size_t size) except? NULL:
    cdef void *data = array_data("work", array, type_num, True)
    if <size_t> cnp.PyArray_SIZE(array) < size:
        raise ValueError(f"work holds {cnp.PyArray_SIZE(array)} numbers, {size} are needed")
    return data


cdef void *same_shape_data(name, array, int type_num, bint written, like) except? NULL:
    cdef void *data = array_data(name, array, type_num, written)
    if not cnp.PyArray_SAMESHAPE(array, like):
        raise ValueError(f"{name} has shape {array.shape}, x has {like.shape}; they must be equal")
    return data
